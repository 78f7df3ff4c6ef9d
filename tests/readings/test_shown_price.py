"""The price that a meter shows (1014, and the answer to 2001) is that of the tier it has reached, as far as settled."""

import pytest

from meters.models import Meter
from readings.figures import figures_of
from readings.resettlement import resettle
from tests.readings.books import (
    NOW,
    THREE_TIERS,
    account,
    add_version,
    local_day,
    make_meter,
    make_price,
    read,
    settle_through,
)


def shown(meter, day="2025-03-09"):
    return figures_of(Meter.objects.get(pk=meter.pk), today=local_day(day)).price


@pytest.fixture
def meter(world):
    """In the second tier, settled through 8 March."""
    make_price(world)
    meter = make_meter(world)
    read(meter, "2025-03-02 12:00:00", 60)
    settle_through("2025-03-08")
    assert float(shown(meter)) == 2.4
    return meter


def test_on_the_end_of_a_tier_it_is_still_the_lower_ones(world):
    make_price(world)
    meter = make_meter(world)
    read(meter, "2025-03-02 12:00:00", 50)
    settle_through("2025-03-02")
    assert float(shown(meter)) == 1.4


def test_volume_used_before_registration_counts_from_the_first_day(world):
    make_price(world)
    assert float(shown(make_meter(world, used_before="50.0001"))) == 2.4


def test_in_the_next_cycle_it_is_the_first_tiers(meter):
    assert float(shown(meter, "2026-01-01")) == 1.4


def test_it_stays_when_a_late_flagged_reading_settles_silent_days_again(meter):
    read(meter, "2025-03-05 12:00:00", 1)
    settle_through("2025-03-08")
    assert float(shown(meter)) == 2.4
    assert account(meter)["cycle_volume"] == 60


def test_it_stays_when_silent_days_are_settled_again_on_request(meter):
    before = account(meter)
    resettle(Meter.objects.all(), begins=local_day("2025-03-05"), through=local_day("2025-03-08"), now=NOW, tell=print)
    assert float(shown(meter)) == 2.4
    assert account(meter) == before


def test_it_stays_when_a_meter_without_usage_is_settled_again(world):
    make_price(world)
    meter = make_meter(world, used_before=60)
    settle_through("2025-03-08")
    read(meter, "2025-03-05 12:00:00", 999_999)
    settle_through("2025-03-08")
    assert float(shown(meter)) == 2.4


def test_a_backdated_version_without_usage_since_shows_its_own_price(world, meter):
    add_version(world, "2025-03-05", (50, "1.5"), (None, "2.5"))
    settle_through("2025-03-08")
    assert float(shown(meter)) == 2.5


def test_a_backdated_restart_without_usage_since_shows_the_first_tier(world, meter):
    add_version(world, "2025-03-05", *THREE_TIERS, restarts=True)
    settle_through("2025-03-08")
    assert float(shown(meter)) == 1.4
    read(meter, "2025-03-09 12:00:00", 100)
    settle_through("2025-03-09")
    assert float(shown(meter)) == 1.4
    assert account(meter)["cycle_volume"] == 40


def test_a_longer_cycle_counts_at_once_what_it_holds(world):
    """The new version counts the whole year, in which the meter has long left the first tier."""
    make_price(world, months=1)
    meter = make_meter(world)
    read(meter, "2025-03-02 12:00:00", 60)
    settle_through("2025-03-31")
    add_version(world, "2025-04-01", *THREE_TIERS, months=12)
    settle_through("2025-04-01")
    assert float(shown(meter, "2025-04-02")) == 2.4
