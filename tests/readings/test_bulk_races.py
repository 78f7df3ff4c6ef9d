"""A batch beside reports, another batch and the end of a meter. Real transactions on real connections."""

import threading

import pytest
from django.db import transaction

from meters.models import MeterState
from readings import bulk
from readings.bulk import take_lines
from readings.bulk_lines import Line
from readings.intake import Report
from readings.models import Reading
from tests.readings.books import NOW, account, make_meter, make_price, qualities, read, settle_through
from tests.readings.elsewhere import PATIENCE_SECONDS, done, elsewhere, until_done_or_waiting
from tests.world import build_world, local

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meters():
    world = build_world()
    make_price(world)
    return [make_meter(world, f"18801111012{place}") for place in range(3)]


def line(number, meter, moment, index):
    report = Report(read_at=local(moment), index=index, telemetry=dict.fromkeys(bulk.TELEMETRY_FIELDS))
    return Line(number, meter.company, meter.manufacturer, meter.meter_no, meter.user_no, None, report)


def batch(*lines):
    return take_lines([line(at, *one) for at, one in enumerate(lines, 1)], now=NOW, tell_cis=True)


def while_it_stores(monkeypatch, work):
    """`work` begins elsewhere when the first batch holds its locks, before it has written anything."""
    begun = []
    store = bulk._store

    def store_meanwhile(*args, **kwargs):
        if not begun:
            begun.append(elsewhere(work))
            assert not until_done_or_waiting(begun[0])
        return store(*args, **kwargs)

    monkeypatch.setattr(bulk, "_store", store_meanwhile)
    return begun


def test_a_report_of_the_same_meter_waits_and_is_judged_after_the_batch(meters, monkeypatch):
    meter = meters[0]
    begun = while_it_stores(monkeypatch, lambda: read(meter, "2025-03-03 12:00:00", 10))
    batch((meter, "2025-03-02 12:00:00", 20), (meters[1], "2025-03-02 12:00:00", 5))
    done(begun[0])
    assert qualities(meter) == [("2025-03-02 12:00:00", "20", "valid"), ("2025-03-03 12:00:00", "10", "decrease")]
    assert MeterState.objects.get(meter=meter).index == 20


def test_the_same_report_at_the_same_time_is_one_reading(meters, monkeypatch):
    meter = meters[0]
    begun = while_it_stores(monkeypatch, lambda: read(meter, "2025-03-02 12:00:00", 20))
    assert batch((meter, "2025-03-02 12:00:00", 20)).lines == 1
    assert done(begun[0]).stored == []
    assert Reading.objects.count() == 1


def test_a_batch_waits_for_a_report_and_sees_what_it_has_written(meters):
    meter = meters[0]
    written, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def linger():
        read(meter, "2025-03-03 12:00:00", 30)
        written.set()
        assert go_on.wait(PATIENCE_SECONDS)

    lingering = elsewhere(linger)
    assert written.wait(PATIENCE_SECONDS)
    other = elsewhere(lambda: batch((meter, "2025-03-03 12:00:00", 30), (meter, "2025-03-04 12:00:00", 20)))
    assert not until_done_or_waiting(other)
    go_on.set()
    done(lingering)
    taken = done(other)
    assert (taken.known, taken.lines, taken.flagged) == (1, 1, 1)
    assert qualities(meter) == [("2025-03-03 12:00:00", "30", "valid"), ("2025-03-04 12:00:00", "20", "decrease")]


def test_two_batches_with_the_same_meters_in_opposite_order(meters, monkeypatch):
    lines = [(meter, "2025-03-02 12:00:00", 20) for meter in meters]
    begun = while_it_stores(monkeypatch, lambda: batch(*reversed(lines)))
    first = batch(*lines)
    second = done(begun[0])
    assert (first.lines, first.known, second.lines, second.known) == (3, 0, 0, 3)
    assert Reading.objects.count() == 3


def test_a_meter_that_ends_meanwhile_refuses_its_lines(meters):
    meter = meters[0]
    written, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def end():
        type(meter).objects.filter(pk=meter.pk).update(status="ended", ended_at=NOW)
        bulk._rows("SELECT 1 FROM meters_account WHERE meter_id = %(meter)s FOR UPDATE", {"meter": meter.pk})
        written.set()
        assert go_on.wait(PATIENCE_SECONDS)

    ending = elsewhere(end)
    assert written.wait(PATIENCE_SECONDS)
    other = elsewhere(lambda: batch((meter, "2025-03-02 12:00:00", 20), (meters[1], "2025-03-02 12:00:00", 5)))
    assert not until_done_or_waiting(other)
    go_on.set()
    done(ending)
    taken = done(other)
    assert [number for number, _ in taken.refused] == [1]
    assert taken.lines == Reading.objects.count() == 1


def test_late_lines_of_settled_days_while_a_later_report_comes(meters, monkeypatch):
    meter = meters[0]
    read(meter, "2025-03-05 12:00:00", 50)
    settle_through("2025-03-06")
    begun = while_it_stores(monkeypatch, lambda: read(meter, "2025-03-04 12:00:00", 20))
    batch((meter, "2025-03-02 12:00:00", 10))
    done(begun[0])
    assert str(account(meter)["unsettled_from"]) == "2025-03-02"
    assert MeterState.objects.get(meter=meter).index == 50
