from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from simulator.consumption import end_of_day, household, index_units, start_of_day
from simulator.fleet import fleet
from tests.simulator.fake_platform import NOW


def homes(count, seed=1):
    return [meter.home for meter in fleet(seed=seed, factor="0030", meters=count)]


def test_the_curve_stays_what_it_is():
    """A changed figure would make every running demo jump."""
    readings = [meter.index_at(NOW) for meter in fleet(seed=1, factor="0030", meters=3)]
    assert [str(reading) for reading in readings] == ["8079.0182", "5506.1868", "4231.3249"]


def test_seed_and_meter_number_make_the_curve():
    (first, second), (other_seed,) = homes(2), homes(1, seed=2)
    assert len({index_units(home, moment=NOW) for home in (first, second, other_seed)}) == 3
    again = household(seed=1, meter_no="003000000001")
    assert index_units(again, moment=NOW) == index_units(first, moment=NOW)


def test_never_falls_from_minute_to_minute_across_midnights():
    for home in homes(3):
        moments = [start_of_day(date(2026, 2, 28)) + timedelta(minutes=n) for n in range(2 * 1440)]
        indexes = [index_units(home, moment=moment) for moment in moments]
        assert indexes == sorted(indexes)
        assert indexes[-1] > indexes[0]


def test_a_day_burns_between_half_and_six_cubic_metres():
    day, days = date(2025, 1, 1), 400
    for home in homes(20):
        midnights = [start_of_day(day + timedelta(days=n)) for n in range(days + 1)]
        indexes = [index_units(home, moment=moment) for moment in midnights]
        usages = [after - before for before, after in pairwise(indexes)]
        assert min(usages) >= 5_000
        assert max(usages) <= 60_000


def test_the_end_of_a_day_meets_the_start_of_the_next():
    for home in homes(10):
        night = index_units(home, moment=start_of_day(date(2026, 11, 22)))
        assert 0 <= night - index_units(home, moment=end_of_day(date(2026, 11, 21))) <= 1


def test_meals_burn_more_than_the_night():
    def burnt(home, from_hour, to_hour):
        midnight = start_of_day(date(2026, 11, 18))
        return index_units(home, moment=midnight + timedelta(hours=to_hour)) - index_units(
            home, moment=midnight + timedelta(hours=from_hour)
        )

    for home in homes(10):
        assert burnt(home, 17, 20) > 5 * burnt(home, 1, 4)


def test_winter_burns_more_than_summer():
    def month(home, first, after):
        return index_units(home, moment=start_of_day(after)) - index_units(home, moment=start_of_day(first))

    for home in homes(10):
        january = month(home, date(2026, 1, 1), date(2026, 2, 1))
        july = month(home, date(2026, 7, 1), date(2026, 8, 1))
        assert january > july * 3 // 2


def test_counts_whole_seconds_in_any_zone():
    meter = fleet(seed=1, factor="0030", meters=1)[0]
    late = NOW.replace(microsecond=999_999)
    assert meter.index_at(late) == meter.index_at(NOW) == meter.index_at(NOW.astimezone(UTC))


def test_stands_still_before_its_first_day():
    meter = fleet(seed=1, factor="0030", meters=1)[0]
    assert meter.index_at(datetime(2019, 6, 1, tzinfo=UTC)) == Decimal("84.9659")
    assert meter.index_at(datetime(2019, 12, 31, 15, 59, 59, tzinfo=UTC)) == Decimal("84.9659")


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_never_falls_on_days_of_23_or_25_hours(settings, day):
    settings.TIME_ZONE = "Europe/Berlin"
    start, end = start_of_day(day), start_of_day(day + timedelta(days=1))
    minutes = int(end.timestamp() - start.timestamp()) // 60
    assert minutes in (23 * 60, 25 * 60)
    moments = [start.astimezone(UTC) + timedelta(minutes=n) for n in range(minutes + 60)]
    for home in homes(3):
        indexes = [index_units(home, moment=moment) for moment in moments]
        assert indexes == sorted(indexes)
