"""Chunks of a settlement: how many meters they hold never shows, and a run that breaks off goes on where it stopped."""

import contextlib

import pytest
from django.core.management import CommandError, call_command

from readings import settlement_sql
from readings.models import DailyUsage
from readings.settlement import Settled, SettlementIncomplete
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


@pytest.fixture
def town_in_chunks(transactional_db, settings):
    """Five meters in three chunks, which are settled at the same time."""
    settings.SETTLEMENT_CHUNK_METERS = 2
    return town(build_world())


def break_off(monkeypatch, *, at, after, how="SELECT 1 / 0"):
    """The chunk that holds meter `at` runs `how` after the statement `after`."""
    position = settlement_sql.STEPS.index(getattr(settlement_sql, after)) + 1
    here = f"""
        DO $$ BEGIN IF EXISTS (SELECT 1 FROM due WHERE meter_id = {at.pk}) THEN PERFORM * FROM ({how}) x; END IF; END $$
    """
    steps = settlement_sql.STEPS
    monkeypatch.setattr(settlement_sql, "STEPS", (*steps[:position], here, *steps[position:]))


@pytest.mark.parametrize("statement", ["UNDO", "BOOK", "CARRY"])
def test_a_chunk_that_fails_does_not_hold_up_the_others_and_the_next_run_makes_up(
    town_in_chunks, monkeypatch, statement
):
    broken, *_ = failing = town_in_chunks[2:4]
    before = [account(meter) for meter in failing]
    with monkeypatch.context() as context:
        break_off(context, at=broken, after=statement)
        with pytest.raises(SettlementIncomplete, match="1 of 3 chunks"):
            settle_through("2025-03-01")
    assert [usage(meter) for meter in town_in_chunks] == [SIXTY, SIXTY, [], [], SIXTY]
    assert [account(meter) for meter in failing] == before
    assert settle_through("2025-03-01") == Settled(meter_days=2, meters=2)
    assert [usage(meter) for meter in town_in_chunks] == [SIXTY] * 5
    assert {account(meter)["settled_amount"] for meter in town_in_chunks} == {94}


def test_a_chunk_whose_connection_breaks_leaves_nothing_behind(town_in_chunks, monkeypatch):
    broken = town_in_chunks[0]
    with monkeypatch.context() as context:
        break_off(context, at=broken, after="BOOK", how="SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(SettlementIncomplete):
            settle_through("2025-03-01")
    assert [usage(meter) for meter in town_in_chunks] == [[], [], SIXTY, SIXTY, SIXTY]
    assert settle_through("2025-03-01") == Settled(meter_days=2, meters=2)
    assert [usage(meter) for meter in town_in_chunks] == [SIXTY] * 5


@pytest.mark.parametrize("size", [1, 2, 3])
def test_chunks_that_are_settled_at_the_same_time_settle_the_same(town_in_chunks, settings, size):
    settings.SETTLEMENT_CHUNK_METERS = size
    settings.SETTLEMENT_CONNECTIONS = 4
    assert settle_through("2025-03-01") == Settled(meter_days=5, meters=5)
    assert [usage(meter) for meter in town_in_chunks] == [SIXTY] * 5


def test_the_command_tells_of_a_chunk_that_failed(town_in_chunks, monkeypatch):
    break_off(monkeypatch, at=town_in_chunks[0], after="BOOK")
    with pytest.raises(CommandError, match="1 of 3 chunks"):
        call_command("settle")


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
    with contextlib.suppress(SettlementIncomplete):
        settle_through("2025-03-01")
    assert DailyUsage.objects.filter(meter__meter_no="000000000003").count() == 3
