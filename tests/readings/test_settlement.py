"""The daily settlement by example (R9, R10). Property and race tests stand beside this file."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from meters.models import AccountEntry
from readings.settlement import DayInFuture, Settled
from tests.readings.books import (
    NOW,
    account,
    add_version,
    make_meter,
    make_price,
    read,
    settle_through,
    usage,
)


@pytest.fixture
def meter(world):
    """In service since 1 March 2025 with index 0, on the three-tier yearly price."""
    make_price(world)
    return make_meter(world)


def test_a_day_is_settled_from_its_last_reading(meter):
    for moment, index in (("00:00:00", 1), ("08:00:00", 2), ("23:59:59", "7.5")):
        read(meter, f"2025-03-01 {moment}", index)
    read(meter, "2025-03-02 00:00:00", 8)
    assert settle_through("2025-03-02") == Settled(meter_days=2, meters=1)
    assert usage(meter) == [("2025-03-01", 1, "7.5", "1.4", "10.5"), ("2025-03-02", 1, "0.5", "1.4", "0.7")]


def test_usage_counts_from_the_initial_index(world):
    make_price(world)
    meter = make_meter(world, index="1000.0001")
    read(meter, "2025-03-05 12:00:00", "1010.0001")
    settle_through("2025-03-05")
    assert usage(meter) == [("2025-03-05", 1, "10", "1.4", "14")]


def test_a_silent_day_has_no_row_and_its_usage_falls_on_the_next_reading(meter):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-06 12:00:00", 30)
    settle_through("2025-03-04")
    assert usage(meter) == [("2025-03-02", 1, "10", "1.4", "14")]
    settle_through("2025-03-08")
    assert usage(meter) == [("2025-03-02", 1, "10", "1.4", "14"), ("2025-03-06", 1, "20", "1.4", "28")]


@pytest.mark.parametrize(
    ("index", "tier", "unit_price"),
    [
        ("0", 1, "1.4"),
        ("49.9999", 1, "1.4"),
        ("50", 1, "1.4"),
        ("50.0001", 2, "2.4"),
        ("300", 2, "2.4"),
        (301, 3, "3.4"),
    ],
)
def test_a_day_without_usage_has_one_row_of_0_in_the_tier_it_stands_in(meter, index, tier, unit_price):
    read(meter, "2025-03-01 12:00:00", index)
    read(meter, "2025-03-02 12:00:00", index)
    settle_through("2025-03-02")
    assert [row for row in usage(meter) if row[0] == "2025-03-02"] == [("2025-03-02", tier, "0", unit_price, "0")]


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        ("49.9999", [(1, "49.9999", "69.9999")]),
        ("50", [(1, "50", "70")]),
        ("50.0001", [(1, "50", "70"), (2, "0.0001", "0.0002")]),
        ("60.5", [(1, "50", "70"), (2, "10.5", "25.2")]),
        ("300", [(1, "50", "70"), (2, "250", "600")]),
        ("400", [(1, "50", "70"), (2, "250", "600"), (3, "100", "340")]),
    ],
)
def test_a_day_that_crosses_tiers_has_a_row_for_each(meter, index, rows):
    read(meter, "2025-03-01 12:00:00", index)
    settle_through("2025-03-01")
    assert [(tier, volume, amount) for _, tier, volume, _, amount in usage(meter)] == rows


def test_a_day_that_begins_on_an_end_has_nothing_in_the_lower_tier(meter):
    read(meter, "2025-03-01 12:00:00", 50)
    read(meter, "2025-03-02 12:00:00", 51)
    settle_through("2025-03-02")
    assert usage(meter)[1:] == [("2025-03-02", 2, "1", "2.4", "2.4")]


@pytest.mark.parametrize(
    ("volume", "unit_price", "amount"),
    [
        ("0.0001", "0.5", "0.0001"),
        ("0.0001", "0.4999", "0"),
        ("0.0003", "0.5", "0.0002"),
        ("1.5", "2.3333", "3.5"),
        ("0.1235", "1.0001", "0.1235"),
        ("9999.9999", "9999.9999", "99999998"),
    ],
)
def test_amounts_are_rounded_half_up_to_4_decimals(world, volume, unit_price, amount):
    make_price(world, (None, unit_price))
    meter = make_meter(world)
    read(meter, "2025-03-01 12:00:00", volume)
    settle_through("2025-03-01")
    assert usage(meter) == [("2025-03-01", 1, volume, unit_price, amount)]


def test_days_missed_are_caught_up_as_if_each_had_been_settled(world):
    make_price(world)
    daily, late = make_meter(world, "000000000001"), make_meter(world, "000000000002")
    for day in range(1, 10):
        for meter in (daily, late):
            read(meter, f"2025-03-{day:02} 20:00:00", day * 11)
        if day < 9:
            settle_only(daily, f"2025-03-{day:02}", hidden=late)
    settle_through("2025-03-09")
    assert usage(daily) == usage(late)
    assert len(usage(daily)) == 10
    assert strip(account(daily)) == strip(account(late))


def settle_only(meter, day, *, hidden):
    """Settle while `hidden` is not due."""
    hidden.account.unsettled_from = date(2030, 1, 1)
    hidden.account.save()
    settle_through(day)
    hidden.account.unsettled_from = date(2025, 3, 1)
    hidden.account.save()


def strip(row):
    return {name: value for name, value in row.items() if name != "meter_id"}


def test_settling_again_changes_nothing(meter):
    read(meter, "2025-03-01 12:00:00", "60.5")
    read(meter, "2025-03-03 12:00:00", 70)
    settle_through("2025-03-04")
    rows, books = usage(meter), account(meter)
    assert settle_through("2025-03-04") == Settled(meter_days=0, meters=0)
    assert settle_through("2025-03-02") == Settled(meter_days=0, meters=0)
    assert (usage(meter), account(meter)) == (rows, books)


def test_what_is_settled_shows_on_the_account(meter):
    read(meter, "2025-03-01 12:00:00", "60.5")
    settle_through("2025-03-04")
    books = account(meter)
    assert books["settled_volume"] == Decimal("60.5")
    assert books["settled_amount"] == Decimal("95.2")
    assert books["balance"] == Decimal("-95.2")
    assert (books["settled_through"], books["unsettled_from"]) == (date(2025, 3, 4), date(2025, 3, 5))
    assert (books["settled_index"], books["cycle_start"]) == (Decimal("60.5"), date(2025, 1, 1))
    assert books["cycle_volume"] == Decimal("60.5")


def test_settling_through_an_earlier_day_keeps_the_later_ones(meter):
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-08 12:00:00", 60)
    settle_through("2025-03-10")
    read(meter, "2025-03-05 12:00:00", 20)
    settle_through("2025-03-04")
    assert account(meter)["unsettled_from"] == date(2025, 3, 5)
    settle_through("2025-03-05")
    assert usage(meter) == [
        ("2025-03-02", 1, "10", "1.4", "14"),
        ("2025-03-05", 1, "10", "1.4", "14"),
        ("2025-03-08", 1, "30", "1.4", "42"),
        ("2025-03-08", 2, "10", "2.4", "24"),
    ]
    assert account(meter)["settled_through"] == date(2025, 3, 10)
    assert account(meter)["settled_amount"] == 94


def test_the_running_day_may_be_settled_and_is_settled_again(meter):
    noon = timezone.make_aware(timezone.datetime(2025, 3, 7, 12))
    read(meter, "2025-03-07 11:00:00", 40, now=noon)
    settle_through("2025-03-07", now=noon)
    assert usage(meter) == [("2025-03-07", 1, "40", "1.4", "56")]
    read(meter, "2025-03-07 20:00:00", 55, now=noon + timedelta(hours=8))
    settle_through("2025-03-07", now=noon + timedelta(hours=9))
    assert usage(meter) == [("2025-03-07", 1, "50", "1.4", "70"), ("2025-03-07", 2, "5", "2.4", "12")]
    assert account(meter)["settled_amount"] == 82


def test_a_day_that_has_not_begun_is_refused(meter):
    read(meter, "2025-03-01 12:00:00", 10)
    before = account(meter)
    with pytest.raises(DayInFuture):
        settle_through(timezone.localdate(NOW) + timedelta(days=1))
    assert (usage(meter), account(meter)) == ([], before)


def test_the_command_refuses_a_day_that_has_not_begun(meter):
    with pytest.raises(CommandError, match="has not begun"):
        call_command("settle", through=timezone.localdate() + timedelta(days=1))
    assert usage(meter) == []


def test_the_command_settles_through_yesterday_by_itself(meter):
    read(meter, "2025-03-01 12:00:00", 10)
    out = StringIO()
    call_command("settle", stdout=out)
    yesterday = timezone.localdate() - timedelta(days=1)
    assert out.getvalue() == f"1 meter-days settled through {yesterday}\n"
    assert account(meter)["settled_through"] == yesterday


def test_a_late_reading_settles_its_day_and_those_after_it_again(meter):
    read(meter, "2025-03-10 12:00:00", 100)
    settle_through("2025-03-12")
    read(meter, "2025-03-05 12:00:00", 40)
    settle_through("2025-03-12")
    assert usage(meter) == [
        ("2025-03-05", 1, "40", "1.4", "56"),
        ("2025-03-10", 1, "10", "1.4", "14"),
        ("2025-03-10", 2, "50", "2.4", "120"),
    ]
    assert account(meter)["settled_amount"] == 190


def test_the_history_tells_new_days_from_days_that_were_settled_again(meter):
    read(meter, "2025-03-05 12:00:00", 10)
    settle_through("2025-03-05")
    read(meter, "2025-03-05 18:00:00", 20)
    read(meter, "2025-03-06 12:00:00", 50)
    settle_through("2025-03-06")
    entries = AccountEntry.objects.filter(meter=meter).order_by("id")
    assert [(str(entry.kind), float(entry.amount), str(entry.day)) for entry in entries] == [
        ("settlement", -14.0, "2025-03-05"),
        ("correction", -14.0, "2025-03-06"),
        ("settlement", -42.0, "2025-03-06"),
    ]


def test_a_late_reading_that_flips_later_verdicts_takes_their_rows_away(meter):
    read(meter, "2025-03-10 12:00:00", 40)
    settle_through("2025-03-12")
    read(meter, "2025-03-05 12:00:00", 45)
    settle_through("2025-03-12")
    assert usage(meter) == [("2025-03-05", 1, "45", "1.4", "63")]
    assert account(meter)["settled_volume"] == 45
    assert account(meter)["settled_index"] == 45


def test_no_row_lies_before_the_meters_life(meter):
    settle_through("2025-03-02")
    read(meter, "2025-02-28 23:59:59", 5)
    read(meter, "2025-03-03 12:00:00", 6)
    settle_through("2025-03-03")
    assert usage(meter) == [("2025-03-03", 1, "6", "1.4", "8.4")]


def test_a_price_of_a_past_day_settles_the_days_since_again(world, meter):
    for day in (1, 4, 7):
        read(meter, f"2025-03-{day:02} 12:00:00", day * 10)
    settle_through("2025-03-08")
    add_version(world, "2025-03-04", (None, 2))
    settle_through("2025-03-08")
    assert usage(meter) == [
        ("2025-03-01", 1, "10", "1.4", "14"),
        ("2025-03-04", 1, "30", "2", "60"),
        ("2025-03-07", 1, "30", "2", "60"),
    ]
    assert account(meter)["settled_amount"] == 134


def test_a_price_to_come_waits_for_its_day(world, meter):
    add_version(world, "2025-03-04", (None, 2))
    for day in (3, 4):
        read(meter, f"2025-03-{day:02} 12:00:00", day * 10)
        settle_through(f"2025-03-{day:02}")
    assert [row[3] for row in usage(meter)] == ["1.4", "2"]


def test_a_price_of_one_does_not_touch_the_meters_of_another(world, meter):
    make_price(world, (None, 5), code="别的")
    other = make_meter(world, "000000000002", price="别的")
    for one in (meter, other):
        read(one, "2025-03-05 12:00:00", 10)
    settle_through("2025-03-06")
    add_version(world, "2025-03-02", (None, 6), code="别的")
    assert settle_through("2025-03-06") == Settled(meter_days=1, meters=1)
    assert usage(meter) == [("2025-03-05", 1, "10", "1.4", "14")]
    assert usage(other) == [("2025-03-05", 1, "10", "6", "60")]
