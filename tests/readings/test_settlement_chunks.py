"""Chunks of a settlement: how many meters they hold never shows, and a run that breaks off goes on where it stopped."""

import contextlib

import pytest
from django.db import DatabaseError

from readings import settlement_sql
from readings.models import DailyUsage
from readings.settlement import Settled
from tests.readings.books import account, make_meter, make_price, read, settle_through, usage
from tests.world import build_world, local

SIXTY = [("2025-03-01", 1, "50", "1.4", "70"), ("2025-03-01", 2, "10", "2.4", "24")]


def town(world, size=5):
    make_price(world)
    meters = [make_meter(world, f"00000000000{number}") for number in range(size)]
    for meter in meters:
        read(meter, "2025-03-01 12:00:00", 60)
    return meters


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 1000])
def test_every_size_of_chunk_settles_the_same(world, settings, size):
    settings.SETTLEMENT_CHUNK_METERS = size
    meters = town(world)
    assert settle_through("2025-03-01") == Settled(meter_days=5, meters=5)
    assert [usage(meter) for meter in meters] == [SIXTY] * 5
    assert settle_through("2025-03-01") == Settled(meter_days=0, meters=0)


def test_meters_that_are_not_due_are_left_alone_in_the_midst_of_a_chunk(world, settings):
    settings.SETTLEMENT_CHUNK_METERS = 2
    meters = town(world)
    settle_through("2025-03-05")
    untouched = [account(meter) for meter in meters[1:4]]
    for meter in (meters[0], meters[4]):
        read(meter, "2025-03-03 12:00:00", 61)
    assert settle_through("2025-03-05") == Settled(meter_days=2, meters=2)
    assert [account(meter) for meter in meters[1:4]] == untouched
    assert usage(meters[4]) == [*SIXTY, ("2025-03-03", 2, "1", "2.4", "2.4")]


def test_nothing_due_is_no_chunk(world):
    assert settle_through("2025-03-01") == Settled(meter_days=0, meters=0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", ["UNDO", "SPLIT", "BOOK"])
def test_a_run_that_breaks_off_keeps_its_chunks_and_the_next_one_goes_on(settings, monkeypatch, statement):
    settings.SETTLEMENT_CHUNK_METERS = 2
    meters = town(build_world())
    broken = getattr(settlement_sql, statement)
    steps = settlement_sql.STEPS
    monkeypatch.setattr(settlement_sql, "STEPS", BreaksOff(steps, broken, at_chunk=2))
    with pytest.raises(DatabaseError):
        settle_through("2025-03-01")
    assert [usage(meter) for meter in meters] == [SIXTY, SIXTY, [], [], []]
    assert [account(meter)["unsettled_from"].day for meter in meters] == [2, 2, 1, 1, 1]
    monkeypatch.setattr(settlement_sql, "STEPS", steps)
    assert settle_through("2025-03-01") == Settled(meter_days=3, meters=3)
    assert [usage(meter) for meter in meters] == [SIXTY] * 5
    assert {account(meter)["settled_amount"] for meter in meters} == {94}


class BreaksOff(tuple):
    """Settlement's statements; the chunk `at_chunk` fails after `broken` has run."""

    __slots__ = ()

    def __new__(cls, steps, broken, *, at_chunk):
        position = steps.index(broken) + 1
        cls.runs = iter([steps] * (at_chunk - 1) + [(*steps[:position], "SELECT 1 / 0")])
        return super().__new__(cls, steps)

    def __iter__(self):
        return iter(next(self.runs))


def test_numbers_beyond_measure_do_not_hold_up_other_meters(priced_world, settings):
    """What one CIS may send must not stop the settlement of everybody else."""
    settings.SETTLEMENT_CHUNK_METERS = 1
    world = priced_world
    dear = {"priceType": "1", "priceDetail": {"priceLength": "1", "price1": "9999999999.9999"}}
    world.create_price("天价", **dear)
    world.register("000000000001", sdateTime="2025-03-01", initCycle="9999999999.9999")
    world.register("000000000002", sdateTime="2025-03-01", priceCode="天价")
    world.register("000000000003", sdateTime="2025-03-01")
    for number in (1, 2, 3):
        world.report(local("2025-03-01 12:00:00"), "2000", f"00000000000{number}")
    with contextlib.suppress(DatabaseError):
        settle_through("2025-03-01")
    assert DailyUsage.objects.filter(meter__meter_no="000000000003").count() == 3
