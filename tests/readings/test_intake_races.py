"""Two reports at once, and an answer of the CIS that comes in between. Real transactions on real connections."""

import threading
from decimal import Decimal

import pytest
from django.db import transaction

from meters.models import MeterState
from protocol.models import OutboundMessage
from readings import intake
from readings.callbacks import keep_cis_answer
from tests.readings.books import NOW, account, make_meter, make_price, qualities, read, settle_through, usage
from tests.readings.elsewhere import PATIENCE_SECONDS, done, elsewhere, until_done_or_waiting
from tests.world import build_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meter():
    world = build_world()
    make_price(world)
    return make_meter(world)


def two_at_once(first, second):
    """`second` begins when `first` has written but not committed."""
    written, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def linger():
        first()
        written.set()
        assert go_on.wait(PATIENCE_SECONDS)

    lingering = elsewhere(linger)
    assert written.wait(PATIENCE_SECONDS)
    other = elsewhere(second)
    assert not until_done_or_waiting(other)
    go_on.set()
    done(lingering)
    return done(other)


def test_two_reports_of_one_meter_are_judged_one_after_the_other(meter):
    two_at_once(
        lambda: read(meter, "2025-03-02 12:00:00", 20),
        lambda: read(meter, "2025-03-03 12:00:00", 10),
    )
    assert qualities(meter) == [("2025-03-02 12:00:00", "20", "valid"), ("2025-03-03 12:00:00", "10", "decrease")]


def test_the_same_reading_twice_at_once_is_one_reading(meter):
    second = two_at_once(
        lambda: read(meter, "2025-03-02 12:00:00", 20),
        lambda: read(meter, "2025-03-02 12:00:00", 20),
    )
    assert second.stored == []
    assert qualities(meter) == [("2025-03-02 12:00:00", "20", "valid")]


def test_two_late_readings_at_once_move_the_first_due_day_to_the_earlier(meter):
    read(meter, "2025-03-05 12:00:00", 50)
    settle_through("2025-03-06")
    two_at_once(
        lambda: read(meter, "2025-03-02 12:00:00", 10),
        lambda: read(meter, "2025-03-04 12:00:00", 20),
    )
    assert str(account(meter)["unsettled_from"]) == "2025-03-02"
    settle_through("2025-03-06")
    assert [row[:3] for row in usage(meter)] == [
        ("2025-03-02", 1, "10"),
        ("2025-03-04", 1, "10"),
        ("2025-03-05", 1, "30"),
    ]


def test_an_answer_of_the_cis_that_comes_meanwhile_is_not_written_over(meter, monkeypatch):
    """The CIS answers an earlier report while the next one is being taken."""
    begun = []
    judge = intake.judge_again

    message = OutboundMessage(code="2001", lane=meter.pk, created_at=NOW, state="delivered")

    def answer_meanwhile(*args):
        answer = {"valvecontrol": "1", "currentprice": "2.5", "remainquantity": "-3"}
        keep = transaction.atomic(keep_cis_answer)
        begun.append(elsewhere(lambda: keep(message=message, answer=answer, now=NOW)))
        until_done_or_waiting(begun[0])
        return judge(*args)

    monkeypatch.setattr(intake, "judge_again", answer_meanwhile)
    read(meter, "2025-03-03 12:00:00", 120)
    done(begun[0])
    state = MeterState.objects.get(meter=meter)
    assert (state.index, state.cis_valve_control, state.cis_price) == (120, "1", Decimal("2.5"))
    assert (state.cis_remaining, state.cis_answered_at) == (-3, NOW)
