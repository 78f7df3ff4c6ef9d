"""A price through time, held in memory: which tiers and which cycle a day has."""

from dataclasses import dataclass
from datetime import date

from pricing.cycles import cycle_start
from pricing.models import Price, PriceTier, PriceVersion


@dataclass(frozen=True, slots=True)
class PriceDay:
    """The tiers that hold on a day, and the first day of its cycle."""

    tiers: list[PriceTier]
    cycle_start: date


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
