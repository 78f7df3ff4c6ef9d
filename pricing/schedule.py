"""A price through time, held in memory: which tiers and which cycle a day has."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from pricing.cycles import cycle_start
from pricing.models import Price, PriceTier, PriceVersion


@dataclass(frozen=True, slots=True)
class PriceDay:
    """The tiers that hold on a day, and the first day of its cycle."""

    tiers: list[PriceTier]
    cycle_start: date

    def unit_price_at(self, used: Decimal) -> Decimal:
        """CNY/m3 of the tier that holds a cycle volume of `used` m3; an end belongs to the lower tier (R9)."""
        return next(tier.unit_price for tier in self.tiers if tier.upper is None or used <= tier.upper)


class PriceSchedule:
    """All versions of one price; the first has no lower bound."""

    def __init__(self, price: Price) -> None:
        rows = price.versions.prefetch_related("tiers")
        self._versions: list[PriceVersion] = sorted(rows, key=lambda version: version.effective_from or date.min)

    def on(self, day: date) -> PriceDay:
        begun = [
            version for version in self._versions if version.effective_from is None or version.effective_from <= day
        ]
        restarts = [row.effective_from for row in begun if row.restarts_cycle and row.effective_from]
        version = begun[-1]
        start = cycle_start(day, months=version.cycle_months, restarted_on=max(restarts, default=None))
        return PriceDay(tiers=sorted(version.tiers.all(), key=lambda tier: tier.position), cycle_start=start)


@lru_cache(maxsize=4096)
def price_day_of(price_id: int, last_version_id: int, day: date) -> PriceDay:
    return schedule_of(price_id, last_version_id).on(day)


@lru_cache(maxsize=4096)
def schedule_of(price_id: int, last_version_id: int) -> PriceSchedule:
    """The schedule of a price, kept in memory: versions are only ever added, so the last one's id tells them all.

    The caller has read that id in the running transaction.
    """
    return PriceSchedule(Price(pk=price_id))
