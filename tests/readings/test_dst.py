"""Days that are not 24 hours long: readings land on their local day, wherever the platform stands."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from readings.models import Reading
from tests.readings.books import account, make_meter, make_price, qualities, read, settle_through, usage
from tests.world import COMPANY, FACTOR, local

# Spring and autumn days, with the time that is skipped and the time that comes twice.
BERLIN, NEW_YORK, AZORES, HAVANA, SANTIAGO = (
    "Europe/Berlin",
    "America/New_York",
    "Atlantic/Azores",
    "America/Havana",
    "America/Santiago",
)
SPRING = [(BERLIN, "2025-03-30"), (NEW_YORK, "2025-03-09"), (AZORES, "2025-03-30"), (HAVANA, "2025-03-09")]
AUTUMN = [(BERLIN, "2025-10-26"), (NEW_YORK, "2025-11-02"), (AZORES, "2025-10-26"), (HAVANA, "2025-11-02")]
SPRING.append((SANTIAGO, "2025-09-07"))
AUTUMN.append((SANTIAGO, "2025-04-05"))


@pytest.fixture
def meter_in(world, settings):
    def make(zone):
        settings.TIME_ZONE = zone
        make_price(world, (None, 1))
        return make_meter(world, born=local("2025-03-01 00:00:00"))

    return make


def moments_of(day):
    """The hours at both ends of a local day and its last second, in UTC."""
    moment = local(f"{day - timedelta(days=1)} 22:00:00").astimezone(UTC)
    hours = []
    while timezone.localdate(moment) <= day:
        if timezone.localdate(moment) == day:
            hours.append(moment)
        moment += timedelta(hours=1)
    return [*hours[:5], *hours[-4:], moment - timedelta(seconds=1)]


@pytest.mark.parametrize(("zone", "day"), SPRING + AUTUMN)
def test_all_moments_of_a_long_or_short_day_are_settled_on_it(meter_in, zone, day):
    meter, day = meter_in(zone), date.fromisoformat(day)
    moments = moments_of(day)
    read(meter, moments[0] - timedelta(seconds=1), 1)
    for number, moment in enumerate(moments, start=2):
        read(meter, moment, number)
    read(meter, moments[-1] + timedelta(seconds=1), 100)
    settle_through(day + timedelta(days=1))
    assert [(row[0], row[2]) for row in usage(meter) if row[0] <= str(day)] == [
        (str(day - timedelta(days=1)), "1"),
        (str(day), str(len(moments))),
    ]
    assert account(meter)["settled_volume"] == 100


@pytest.mark.parametrize(("zone", "day"), SPRING + AUTUMN)
def test_settling_such_a_day_by_day_gives_the_same_as_all_at_once(meter_in, zone, day):
    meter, day = meter_in(zone), date.fromisoformat(day)
    moments = moments_of(day)
    for number, moment in enumerate([moments[0] - timedelta(seconds=1), *moments], start=1):
        read(meter, moment, number)
    for through in (day - timedelta(days=1), day, day + timedelta(days=1)):
        settle_through(through)
    assert [(row[0], row[2]) for row in usage(meter)] == [
        (str(day - timedelta(days=1)), "1"),
        (str(day), str(len(moments))),
    ]


@pytest.mark.parametrize(("zone", "day"), SPRING + AUTUMN)
def test_the_first_and_the_last_second_of_such_a_day_alone_make_its_row(meter_in, zone, day):
    meter, day = meter_in(zone), date.fromisoformat(day)
    first, *_, last = moments_of(day)
    before, after = first - timedelta(seconds=1), last + timedelta(seconds=1)
    read(meter, before, 1)
    read(meter, first, 3)
    for through in (day - timedelta(days=1), day, day + timedelta(days=1)):
        settle_through(through)
    assert volumes(meter) == {str(day - timedelta(days=1)): "1", str(day): "2"}
    read(meter, last, 10)
    settle_through(day)
    assert volumes(meter) == {str(day - timedelta(days=1)): "1", str(day): "9"}
    read(meter, after, 11)
    settle_through(day + timedelta(days=1))
    assert volumes(meter) == {
        str(day - timedelta(days=1)): "1",
        str(day): "9",
        str(day + timedelta(days=1)): "1",
    }


def volumes(meter):
    return {row[0]: row[2] for row in usage(meter)}


@pytest.mark.parametrize(("zone", "day"), SPRING + AUTUMN)
def test_the_index_of_a_named_day_follows_every_reading_of_that_day(meter_in, zone, day):
    meter = meter_in(zone)
    last = moments_of(date.fromisoformat(day))[-1]
    read(meter, last - timedelta(minutes=10), 50)
    read(meter, last + timedelta(hours=5), 61, backfill={day: 60})
    assert [(index, quality) for _, index, quality in qualities(meter)] == [
        ("50", "valid"),
        ("60", "valid"),
        ("61", "valid"),
    ]
    settle_through(day)
    assert usage(meter) == [(day, 1, "60", "1", "60")]


@pytest.mark.parametrize(("zone", "day"), SPRING + AUTUMN)
def test_1013_takes_a_day_to_its_end(priced_world, settings, zone, day):
    world = priced_world
    settings.TIME_ZONE = zone
    make_price(world)
    meter = make_meter(world, born=local("2025-03-01 00:00:00"))
    moments = moments_of(date.fromisoformat(day))
    read(meter, moments[-1], 10)
    read(meter, moments[-1] + timedelta(seconds=1), 11)
    answer = world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR, readingDate=day)
    [entry] = answer["echoMsg"]["readingData"]["data"]
    assert (entry["readNum"], entry["readDate"]) == ("10", f"{timezone.localtime(moments[-1]):%Y-%m-%d %H:%M:%S}")


@pytest.mark.parametrize(("zone", "day", "skipped"), [(BERLIN, "20250330", "023000"), (NEW_YORK, "20250309", "023000")])
def test_a_time_that_is_skipped_is_still_on_its_day(priced_world, settings, zone, day, skipped):
    """A meter whose clock knows no summer time."""
    world = priced_world
    settings.TIME_ZONE = zone
    world.register(sdateTime="2025-03-01")
    moment = local("2025-03-20 00:00:00")
    assert world.report(moment, "5", readDate=day, readTime=skipped)["echoCode"] == "0000"
    assert f"{timezone.localdate(Reading.objects.get().read_at):%Y%m%d}" == day
    settle_through(f"{day[:4]}-{day[4:6]}-{day[6:]}")
    assert [row["useGas"] for row in world.usage("2025-03-01", "2025-04-30")] == ["5"]


@pytest.mark.parametrize(
    ("zone", "day", "repeated"), [(BERLIN, "20251026", "023000"), (NEW_YORK, "20251102", "013000")]
)
def test_a_time_that_comes_twice_is_on_its_day(priced_world, settings, zone, day, repeated):
    world = priced_world
    settings.TIME_ZONE = zone
    world.register(sdateTime="2025-10-01")
    moment = datetime(2025, 10, 20, tzinfo=UTC)
    assert world.report(moment, "5", readDate=day, readTime=repeated)["echoCode"] == "0000"
    settle_through(f"{day[:4]}-{day[4:6]}-{day[6:]}")
    [row] = world.usage("2025-10-01", "2025-12-30")
    assert (row["useDate"], row["useGas"]) == (f"{day[:4]}-{day[4:6]}-{day[6:]}", "5")


def test_a_cycle_begins_at_local_midnight(world, settings):
    settings.TIME_ZONE = BERLIN
    make_price(world)
    meter = make_meter(world, born=local("2025-03-01 00:00:00"))
    read(meter, local("2025-12-31 23:59:59"), 40)
    read(meter, local("2026-01-01 00:00:00"), 80)
    settle_through("2026-01-01")
    assert usage(meter) == [("2025-12-31", 1, "40", "1.4", "56"), ("2026-01-01", 1, "40", "1.4", "56")]
