"""The tier split of one volume (R9): against a walk in steps of 0.0001 m3, and on the ends."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.models import PriceTier
from pricing.tiers import split_volume

STEP = Decimal("0.0001")
# Ends, volumes and steps so small that the walk below is short.
small = st.integers(0, 60).map(lambda number: number * STEP)


def tiers_of(*ends, unit_prices=("1.4", "2.4", "3.4", "4.4", "5.4", "6.4")):
    """Tiers that end at `ends`, and an open one."""
    lowers, uppers = [Decimal(0), *map(Decimal, ends)], [*map(Decimal, ends), None]
    return [
        PriceTier(position=position, lower=lower, upper=upper, unit_price=Decimal(unit_price))
        for position, (lower, upper, unit_price) in enumerate(zip(lowers, uppers, unit_prices, strict=False), start=1)
    ]


def walk(volume, used, tiers):
    """Every 0.0001 m3 goes to the tier in which it ends; a tier's end belongs to it."""
    parts = {}
    while volume > 0:
        used, volume = used + STEP, volume - STEP
        tier = next(tier for tier in tiers if tier.upper is None or used <= tier.upper)
        parts[tier.position] = parts.get(tier.position, Decimal(0)) + STEP
    return parts


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(ends=st.sets(small.filter(bool), max_size=5), used=small, volume=small)
def test_every_bit_of_a_volume_lies_in_its_tier(ends, used, volume):
    tiers = tiers_of(*sorted(ends))
    parts = split_volume(volume, used=used, tiers=tiers)
    if volume:
        assert {part.tier: part.volume for part in parts} == walk(volume, used, tiers)
    else:
        [part] = parts
        standing = next(tier for tier in tiers if tier.upper is None or used <= tier.upper)
        assert (part.tier, part.volume, part.amount) == (standing.position, 0, 0)
    for part in parts:
        assert part.unit_price == tiers[part.tier - 1].unit_price
        assert part.amount == (part.volume * part.unit_price).quantize(STEP, ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("used", "volume", "parts"),
    [
        ("0", "50", [(1, "50")]),
        ("0", "50.0001", [(1, "50"), (2, "0.0001")]),
        ("50", "1", [(2, "1")]),
        ("49.9999", "0.0001", [(1, "0.0001")]),
        ("49.9999", "250.0002", [(1, "0.0001"), (2, "250"), (3, "0.0001")]),
        ("300", "9999999", [(3, "9999999")]),
        ("0", "0", [(1, "0")]),
        ("50", "0", [(1, "0")]),
        ("50.0001", "0", [(2, "0")]),
        ("300.0001", "0", [(3, "0")]),
    ],
)
def test_on_the_ends(used, volume, parts):
    split = split_volume(Decimal(volume), used=Decimal(used), tiers=tiers_of(50, 300))
    assert [(part.tier, part.volume) for part in split] == [(tier, Decimal(text)) for tier, text in parts]
