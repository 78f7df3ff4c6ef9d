"""What a volume costs under a price: the same tier rule as settlement, for people who want to know beforehand (R9)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from meters.models import Meter
from pricing.models import Price, PriceVersion
from pricing.services import cycle_start_on, version_on
from pricing.tiers import TierPart, split_volume
from readings.usage import volume_since


@dataclass(frozen=True, slots=True)
class Quote:
    """A volume in m3 after `used` m3 of the cycle that began on `cycle_start`, split by tier; `amount` in CNY."""

    version: PriceVersion
    cycle_start: date
    used: Decimal
    parts: list[TierPart]

    @property
    def amount(self) -> Decimal:
        return sum((part.amount for part in self.parts), Decimal(0))


def quote(price: Price, *, volume: Decimal, day: date, used: Decimal) -> Quote:
    """The cost of `volume` m3 on `day` when `used` m3 of its cycle are used already."""
    version = version_on(price, day)
    parts = split_volume(volume, used=used, tiers=list(version.tiers.order_by("position")))
    return Quote(version=version, cycle_start=cycle_start_on(price, day), used=used, parts=parts)


def quote_for(meter: Meter, price: Price, *, volume: Decimal, day: date) -> Quote:
    """The cost of `volume` m3 on `day` for `meter`, after what it has used of the cycle before that day, as settled."""
    used = volume_since(meter, cycle_start_on(price, day), until=day)
    return quote(price, volume=volume, day=day, used=used)
