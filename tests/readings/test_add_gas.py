"""addGas: the index at the end of each named day, treated as readings of those days (R10)."""

from datetime import date, timedelta

import pytest

from protocol.errors import FieldInvalid
from readings.models import Reading
from tests.readings.books import account, make_meter, make_price, qualities, read, settle_through, usage
from tests.world import local


@pytest.fixture
def meter(world):
    make_price(world)
    return make_meter(world)


def test_named_days_are_settled_as_if_each_had_reported(meter):
    read(meter, "2025-03-05 08:00:00", 60, backfill={"2025-03-02": 10, "2025-03-03": 10, "2025-03-04": 55})
    settle_through("2025-03-05")
    assert usage(meter) == [
        ("2025-03-02", 1, "10", "1.4", "14"),
        ("2025-03-03", 1, "0", "1.4", "0"),
        ("2025-03-04", 1, "40", "1.4", "56"),
        ("2025-03-04", 2, "5", "2.4", "12"),
        ("2025-03-05", 2, "5", "2.4", "12"),
    ]


def test_it_is_the_last_second_of_the_day(meter):
    read(meter, "2025-03-03 00:00:00", 11, backfill={"2025-03-02": 10})
    first, second = Reading.objects.order_by("read_at")
    assert (first.read_at, first.source, first.valve) == (local("2025-03-02 23:59:59"), "backfill", "")
    assert (second.read_at, second.source) == (local("2025-03-03 00:00:00"), "report")


def test_days_already_settled_are_settled_again(meter):
    read(meter, "2025-03-05 08:00:00", 60)
    settle_through("2025-03-06")
    read(meter, "2025-03-07 08:00:00", 61, backfill={"2025-03-02": 50})
    assert str(account(meter)["unsettled_from"]) == "2025-03-02"
    settle_through("2025-03-07")
    assert usage(meter) == [
        ("2025-03-02", 1, "50", "1.4", "70"),
        ("2025-03-05", 2, "10", "2.4", "24"),
        ("2025-03-07", 2, "1", "2.4", "2.4"),
    ]


def test_it_never_changes_an_index_that_is_known(meter):
    read(meter, "2025-03-02 23:59:59", 10)
    read(meter, "2025-03-03 08:00:00", 20, backfill={"2025-03-02": 11})
    assert qualities(meter) == [
        ("2025-03-02 23:59:59", "10", "valid"),
        ("2025-03-02 23:59:59", "11", "conflict"),
        ("2025-03-03 08:00:00", "20", "valid"),
    ]


def test_it_is_judged_like_any_reading(meter, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 50
    read(
        meter,
        "2025-03-05 08:00:00",
        20,
        backfill={"2025-02-28": 0, "2025-03-02": 10, "2025-03-03": 9, "2025-03-04": 99},
    )
    assert [quality for _, _, quality in qualities(meter)] == ["early", "valid", "decrease", "valid", "decrease"]


def test_the_same_days_again_are_accepted_silently(meter):
    days = {"2025-03-02": 10, "2025-03-03": 20}
    read(meter, "2025-03-04 08:00:00", 30, backfill=days)
    settle_through("2025-03-05")
    before = account(meter)
    assert read(meter, "2025-03-04 08:00:00", 30, backfill=days).stored == []
    assert [one.index for one in read(meter, "2025-03-04 08:00:00", 30, backfill={**days, "2025-03-01": 5}).stored] == [
        5
    ]
    assert Reading.objects.count() == 4
    assert str(account(meter)["unsettled_from"]) == "2025-03-01"
    assert before["settled_through"] == account(meter)["settled_through"]


def test_a_day_that_has_not_ended_is_refused_and_nothing_stored(meter):
    evening = local("2025-03-05 23:49:58")
    with pytest.raises(FieldInvalid, match="addGas 日期 2025-03-05 尚未结束"):
        read(meter, evening, 10, now=evening, backfill={"2025-03-04": 9, "2025-03-05": 10})
    assert not Reading.objects.exists()
    assert str(account(meter)["unsettled_from"]) == "2025-03-01"
    read(meter, evening, 10, now=evening + timedelta(seconds=1), backfill={"2025-03-05": 10})
    assert Reading.objects.count() == 2


@pytest.mark.parametrize("days", [{"2025-02-30": "1"}, {"tomorrow": "1"}, {"": "1"}])
def test_a_day_that_is_none_is_refused(priced_world, days):
    world = priced_world
    world.register(sdateTime="2025-03-01")
    answer = world.report(local("2025-03-05 08:00:00"), "10", addGas={"2025-03-02": "1", **days})
    assert answer["echoCode"] == "9999"
    assert answer["echoMsg"].startswith("addGas 的日期")
    assert not Reading.objects.exists()


@pytest.mark.parametrize("value", ["", None, "x", "-1", "1.00001", [], {"a": "1"}])
def test_an_index_that_is_none_is_refused(priced_world, value):
    world = priced_world
    world.register(sdateTime="2025-03-01")
    answer = world.report(local("2025-03-05 08:00:00"), "10", addGas={"2025-03-02": value})
    assert (answer["echoCode"], answer["echoMsg"].split()[0]) == ("9999", "addGas")
    assert not Reading.objects.exists()


@pytest.mark.parametrize("nothing", ["", None, {}])
def test_it_may_be_left_out(priced_world, nothing):
    world = priced_world
    world.register(sdateTime="2025-03-01")
    assert world.report(local("2025-03-05 08:00:00"), "10", addGas=nothing)["echoCode"] == "0000"
    assert Reading.objects.count() == 1


def test_the_same_day_in_two_forms_is_refused(priced_world):
    """Which of the two indexes holds is not for us to guess, and no reading is dropped silently."""
    world = priced_world
    world.register(sdateTime="2025-03-01")
    days = {"2025-03-02": "10", "20250302": "20"}
    assert world.report(local("2025-03-05 08:00:00"), "30", addGas=days)["echoCode"] == "9999"
    assert not Reading.objects.exists()


def test_more_days_than_a_year_and_a_month_are_refused(priced_world):
    world = priced_world
    world.register(sdateTime="2023-01-01")
    days = {str(date(2023, 1, 2) + timedelta(days=number)): "1" for number in range(401)}
    assert world.report(local("2025-03-05 08:00:00"), "10", addGas=days)["echoMsg"] == "addGas 不能超过 400 天"
    assert not Reading.objects.exists()
    del days["2023-01-02"]
    assert world.report(local("2025-03-05 08:00:00"), "10", addGas=days)["echoCode"] == "0000"
    assert Reading.objects.count() == 401
