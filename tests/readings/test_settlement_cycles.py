"""Which volume counts towards the tiers: cycles, restarts and initCycle (R9)."""

from datetime import date

from readings.repricing import change_price
from tests.readings.books import THREE_TIERS, account, add_version, make_meter, make_price, read, settle_through, usage
from tests.world import local


def tiers_on(meter, day):
    return [(tier, volume) for row_day, tier, volume, _, _ in usage(meter) if row_day == day]


def test_a_cycle_counts_anew_on_its_first_day(world):
    make_price(world, months=12)
    meter = make_meter(world)
    read(meter, "2025-12-31 23:59:59", 100)
    read(meter, "2026-01-01 00:00:00", 101)
    settle_through("2026-01-01")
    assert tiers_on(meter, "2025-12-31") == [(1, "50"), (2, "50")]
    assert tiers_on(meter, "2026-01-01") == [(1, "1")]


def test_usage_of_silent_days_counts_in_the_cycle_of_the_next_reading(world):
    make_price(world, months=1)
    meter = make_meter(world)
    read(meter, "2025-03-30 12:00:00", 40)
    read(meter, "2025-04-02 12:00:00", 85)
    settle_through("2025-04-02")
    assert tiers_on(meter, "2025-04-02") == [(1, "45")]


def test_a_cycle_that_goes_on_over_settlements_adds_up(world):
    make_price(world, months=1)
    meter = make_meter(world)
    for day in range(1, 8):
        read(meter, f"2025-03-{day:02} 12:00:00", day * 10)
        settle_through(f"2025-03-{day:02}")
    assert [row[:3] for row in usage(meter)][4:] == [
        ("2025-03-05", 1, "10"),
        ("2025-03-06", 2, "10"),
        ("2025-03-07", 2, "10"),
    ]


def test_init_cycle_counts_in_the_cycle_that_runs_at_registration_only(world):
    make_price(world, months=1)
    meter = make_meter(world, used_before=45)
    read(meter, "2025-03-15 12:00:00", 10)
    read(meter, "2025-04-15 12:00:00", 60)
    settle_through("2025-04-15")
    assert tiers_on(meter, "2025-03-15") == [(1, "5"), (2, "5")]
    assert tiers_on(meter, "2025-04-15") == [(1, "50")]


def test_init_cycle_is_no_usage(world):
    make_price(world)
    meter = make_meter(world, used_before="300.5")
    read(meter, "2025-03-01 12:00:00", 2)
    settle_through("2025-03-01")
    assert usage(meter) == [("2025-03-01", 3, "2", "3.4", "6.8")]
    assert account(meter)["settled_volume"] == 2
    assert account(meter)["cycle_volume"] == 302.5


def test_init_cycle_outlives_a_settlement_that_is_repeated(world):
    make_price(world)
    meter = make_meter(world, used_before=45)
    read(meter, "2025-03-05 12:00:00", 10)
    settle_through("2025-03-06")
    read(meter, "2025-03-01 12:00:00", 6)
    settle_through("2025-03-06")
    assert tiers_on(meter, "2025-03-01") == [(1, "5"), (2, "1")]
    assert tiers_on(meter, "2025-03-05") == [(2, "4")]


def test_a_restart_counts_anew_on_the_day_it_takes_effect(world):
    make_price(world)
    meter = make_meter(world)
    add_version(world, "2025-03-10", *THREE_TIERS, restarts=True)
    for day, index in ((9, 60), (10, 105), (11, 115)):
        read(meter, f"2025-03-{day:02} 12:00:00", index)
    settle_through("2025-03-11")
    assert tiers_on(meter, "2025-03-09") == [(1, "50"), (2, "10")]
    assert tiers_on(meter, "2025-03-10") == [(1, "45")]
    assert tiers_on(meter, "2025-03-11") == [(1, "5"), (2, "5")]


def test_without_a_restart_the_count_goes_on_at_the_new_prices(world):
    make_price(world)
    meter = make_meter(world)
    add_version(world, "2025-03-10", (70, 2), (None, 3))
    for day, index in ((9, 60), (10, 75)):
        read(meter, f"2025-03-{day:02} 12:00:00", index)
    settle_through("2025-03-10")
    assert usage(meter)[2:] == [("2025-03-10", 1, "10", "2", "20"), ("2025-03-10", 2, "5", "3", "15")]


def test_a_restart_holds_on_under_later_versions(world):
    make_price(world)
    meter = make_meter(world)
    add_version(world, "2025-03-10", *THREE_TIERS, restarts=True)
    add_version(world, "2025-03-12", *THREE_TIERS)
    for day, index in ((9, 60), (12, 105)):
        read(meter, f"2025-03-{day:02} 12:00:00", index)
    settle_through("2025-03-12")
    assert tiers_on(meter, "2025-03-12") == [(1, "45")]


def test_after_a_restart_the_next_cycle_begins_by_the_calendar(world):
    make_price(world, months=1)
    meter = make_meter(world)
    add_version(world, "2025-03-10", *THREE_TIERS, months=1, restarts=True)
    for day, index in (("03-12", 45), ("04-01", 90)):
        read(meter, f"2025-{day} 12:00:00", index)
    settle_through("2025-04-01")
    assert tiers_on(meter, "2025-04-01") == [(1, "45")]
    assert account(meter)["cycle_start"] == date(2025, 4, 1)


def test_a_longer_cycle_takes_in_what_was_used_since_its_calendar_start(world):
    make_price(world, months=1)
    meter = make_meter(world)
    add_version(world, "2025-05-01", *THREE_TIERS, months=12)
    for day, index in (("03-12", 30), ("04-12", 60), ("05-12", 61)):
        read(meter, f"2025-{day} 12:00:00", index)
        settle_through(f"2025-{day}")
    assert tiers_on(meter, "2025-04-12") == [(1, "30")]
    assert tiers_on(meter, "2025-05-12") == [(2, "1")]


def test_a_longer_cycle_takes_in_the_same_when_all_days_are_settled_at_once(world):
    make_price(world, months=1)
    meter = make_meter(world)
    add_version(world, "2025-05-01", *THREE_TIERS, months=12)
    for day, index in (("03-12", 30), ("04-12", 60), ("05-12", 61)):
        read(meter, f"2025-{day} 12:00:00", index)
    settle_through("2025-05-12")
    assert tiers_on(meter, "2025-04-12") == [(1, "30")]
    assert tiers_on(meter, "2025-05-12") == [(2, "1")]


def test_a_restart_of_a_past_day_settles_the_days_since_again(world):
    make_price(world)
    meter = make_meter(world)
    for day, index in ((9, 60), (10, 70), (11, 80)):
        read(meter, f"2025-03-{day:02} 12:00:00", index)
    settle_through("2025-03-12")
    add_version(world, "2025-03-10", *THREE_TIERS, restarts=True)
    settle_through("2025-03-12")
    assert tiers_on(meter, "2025-03-09") == [(1, "50"), (2, "10")]
    assert tiers_on(meter, "2025-03-10") + tiers_on(meter, "2025-03-11") == [(1, "10"), (1, "10")]


def test_another_price_counts_only_what_its_own_cycle_holds(world):
    """Days before the change are still due when it comes (1008), and lie before the other price's cycle."""
    make_price(world)
    make_price(world, months=1, code="按月")
    meter = make_meter(world)
    read(meter, "2025-03-30 12:00:00", 10)
    settle_through("2025-03-30")
    read(meter, "2025-03-31 12:00:00", 30)
    change_price(meter, price=world.company.prices.get(code="按月"), now=local("2025-04-01 00:10:00"))
    read(meter, "2025-04-01 12:00:00", 70)
    settle_through("2025-04-01")
    assert tiers_on(meter, "2025-03-31") == [(1, "20")]
    assert tiers_on(meter, "2025-04-01") == [(1, "40")]


def test_another_price_with_a_longer_cycle_counts_the_days_that_are_still_due(world):
    make_price(world, months=1)
    make_price(world, months=12, code="按年")
    meter = make_meter(world)
    read(meter, "2025-03-30 12:00:00", 10)
    settle_through("2025-03-30")
    read(meter, "2025-03-31 12:00:00", 30)
    change_price(meter, price=world.company.prices.get(code="按年"), now=local("2025-04-01 00:10:00"))
    read(meter, "2025-04-01 12:00:00", 70)
    settle_through("2025-04-01")
    assert tiers_on(meter, "2025-04-01") == [(1, "20"), (2, "20")]


def test_a_backdated_version_of_a_former_price_settles_the_days_it_held_again(world):
    make_price(world, (None, 1))
    make_price(world, (None, 5), code="另价")
    meter = make_meter(world)
    change_price(meter, price=world.company.prices.get(code="另价"), now=local("2025-03-06 12:00:00"))
    for day in (3, 5, 7):
        read(meter, f"2025-03-{day:02} 12:00:00", day * 10)
    settle_through("2025-03-08")
    add_version(world, "2025-03-04", (None, 2))
    assert settle_through("2025-03-08").meters == 1
    assert [row[3:] for row in usage(meter)] == [("1", "30"), ("2", "40"), ("5", "100")]
    add_version(world, "2025-03-06", (None, 3))
    assert settle_through("2025-03-08").meters == 0
