"""Settlement while others write: nothing is missed and nothing counted twice. Real transactions on real connections."""

import threading
from datetime import date

import pytest
from django.db import connection, transaction

from meters.models import Account
from readings import settlement_sql as sql
from readings.settlement import Settled
from tests.readings.books import account, add_version, make_meter, make_price, read, settle_through, usage
from tests.readings.elsewhere import PATIENCE_SECONDS, Interrupted, done, elsewhere, until_done_or_waiting
from tests.world import build_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world():
    world = build_world()
    make_price(world)
    return world


def interrupt(monkeypatch, **after):
    """Call in between the statements of the next chunk: DUE=call runs when the accounts are locked."""
    statements = {getattr(sql, name): call for name, call in after.items()}
    monkeypatch.setattr(sql, "STEPS", Interrupted(sql.STEPS, statements))


def test_settlement_waits_for_a_reading_that_is_being_stored(world):
    meter = make_meter(world)
    stored, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def store():
        read(meter, "2025-03-01 12:00:00", 10)
        stored.set()
        assert go_on.wait(PATIENCE_SECONDS)

    storing = elsewhere(store)
    assert stored.wait(PATIENCE_SECONDS)
    settling = elsewhere(lambda: settle_through("2025-03-01"))
    assert not until_done_or_waiting(settling)
    go_on.set()
    done(storing)
    assert done(settling) == Settled(meter_days=1, meters=1)
    assert usage(meter) == [("2025-03-01", 1, "10", "1.4", "14")]


def test_a_reading_waits_for_the_settlement_and_makes_its_day_due_again(world, monkeypatch):
    meter = make_meter(world)
    read(meter, "2025-03-01 12:00:00", 10)
    begun = []

    def report():
        begun.append(elsewhere(lambda: read(meter, "2025-03-01 20:00:00", 30)))
        assert not until_done_or_waiting(begun[0])

    interrupt(monkeypatch, DAYS=report)
    settle_through("2025-03-01")
    done(begun[0])
    assert usage(meter) == [("2025-03-01", 1, "10", "1.4", "14")]
    assert account(meter)["unsettled_from"] == date(2025, 3, 1)
    settle_through("2025-03-01")
    assert usage(meter) == [("2025-03-01", 1, "30", "1.4", "42")]


def test_a_meter_that_becomes_due_after_the_lock_loses_no_reading(world, monkeypatch):
    """Between two due meters stands one that is not; readings arrive for it while the chunk is being settled."""
    meters = [make_meter(world, f"00000000000{number}") for number in range(3)]
    due, middle, also_due = meters
    settle_through("2025-03-02")
    for meter in (due, also_due):
        read(meter, "2025-03-02 08:00:00", 1)
    begun = []

    def first_report():
        read_elsewhere = elsewhere(lambda: read(middle, "2025-03-02 08:00:00", 10))
        until_done_or_waiting(read_elsewhere)
        begun.append(read_elsewhere)

    def second_report():
        read_elsewhere = elsewhere(lambda: read(middle, "2025-03-02 09:00:00", 30))
        until_done_or_waiting(read_elsewhere)
        begun.append(read_elsewhere)

    interrupt(monkeypatch, DUE=first_report, DAYS=second_report)
    settle_through("2025-03-02")
    for report in begun:
        done(report)
    settle_through("2025-03-02")
    assert usage(middle) == [("2025-03-02", 1, "30", "1.4", "42")]


def test_two_settlements_at_once_count_nothing_twice(world, monkeypatch):
    meters = [make_meter(world, f"00000000000{number}") for number in range(5)]
    for meter in meters:
        read(meter, "2025-03-01 12:00:00", 60)
    begun = []

    def settle_too():
        begun.append(elsewhere(lambda: settle_through("2025-03-01")))
        assert not until_done_or_waiting(begun[0])

    interrupt(monkeypatch, CARRIED=settle_too)
    assert settle_through("2025-03-01") == Settled(meter_days=5, meters=5)
    assert done(begun[0]) == Settled(meter_days=0, meters=0)
    for meter in meters:
        assert usage(meter) == [("2025-03-01", 1, "50", "1.4", "70"), ("2025-03-01", 2, "10", "2.4", "24")]
        assert account(meter)["settled_amount"] == 94


def test_many_settlements_at_once_share_the_work(world, settings):
    settings.SETTLEMENT_CHUNK_METERS = 2
    meters = [make_meter(world, f"00000000000{number}") for number in range(9)]
    for meter in meters:
        read(meter, "2025-03-01 12:00:00", 60)
    runs = [elsewhere(lambda: settle_through("2025-03-01")) for _ in range(2)]
    assert sum(done(run).meter_days for run in runs) == 9
    assert {account(meter)["settled_amount"] for meter in meters} == {94}


def test_a_backdated_price_is_not_lost_between_two_settlements(world, monkeypatch):
    """It is created while a chunk is being settled; the other settlement takes it up before that chunk ends."""
    meter = make_meter(world)
    read(meter, "2025-03-01 12:00:00", 10)
    begun = []

    def adjust_and_settle():
        done(elsewhere(lambda: add_version(world, "2025-03-01", (None, 2))))
        begun.append(elsewhere(lambda: settle_through("2025-03-01")))
        until_done_or_waiting(begun[0])

    interrupt(monkeypatch, DAYS=adjust_and_settle)
    settle_through("2025-03-01")
    done(begun[0])
    settle_through("2025-03-01")
    assert usage(meter) == [("2025-03-01", 1, "10", "2", "20")]


def test_taking_up_a_price_and_settling_do_not_lock_each_other_out(world, monkeypatch):
    """One run waits for the first account of its chunk; the other, taking up a price, comes to that account last."""
    meters = [make_meter(world, f"00000000000{number}") for number in range(3)]
    for meter in meters:
        read(meter, "2025-03-02 12:00:00", 10)
    settle_through("2025-03-03")
    for meter in meters:
        read(meter, "2025-03-03 12:00:00", 20)
    Account.objects.filter(meter=meters[0]).update(credited=0)
    in_chunk, go_on, held, let_go = (threading.Event() for _ in range(4))

    @transaction.atomic
    def hold_the_first():
        Account.objects.select_for_update().get(meter=meters[0])
        held.set()
        assert let_go.wait(PATIENCE_SECONDS)

    statements = Interrupted(sql.STEPS, {sql.STEPS[0]: lambda: (in_chunk.set(), go_on.wait(PATIENCE_SECONDS))})
    monkeypatch.setattr(sql, "STEPS", statements)
    settling = elsewhere(lambda: settle_through("2025-03-03"))
    assert in_chunk.wait(PATIENCE_SECONDS)
    add_version(world, "2025-03-02", (None, 2))
    holding = elsewhere(hold_the_first)
    assert held.wait(PATIENCE_SECONDS)
    go_on.set()
    assert not until_done_or_waiting(settling)
    taking_up = elsewhere(settle_in_the_order_of_the_table)
    assert not until_done_or_waiting(taking_up)
    let_go.set()
    for work in (holding, settling, taking_up):
        done(work)
    settle_through("2025-03-03")
    for meter in meters:
        assert usage(meter) == [("2025-03-02", 1, "10", "2", "20"), ("2025-03-03", 1, "10", "2", "20")]


def settle_in_the_order_of_the_table():
    """As the planner does with many accounts."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_nestloop = off; SET enable_indexscan = off; SET enable_bitmapscan = off")
        try:
            settle_through("2025-03-03")
        finally:
            cursor.execute("RESET ALL")
