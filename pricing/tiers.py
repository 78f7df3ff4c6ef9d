"""The tier split, one volume at a time: what settlement's SQL does for many, for audits and calculators (R9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from pricing.models import PriceTier

FOUR_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TierPart:
    """`volume` m3 in one tier at `unit_price` CNY/m3 cost `amount` CNY, rounded half-up to 4 decimals."""

    tier: int
    volume: Decimal
    unit_price: Decimal
    amount: Decimal


def split_volume(volume: Decimal, *, used: Decimal, tiers: Sequence[PriceTier]) -> list[TierPart]:
    """The parts of `volume` m3 that follow `used` m3 of the same cycle; one part of 0 for a volume of 0.

    A volume equal to a tier's end belongs to that tier, the last tier is open. `tiers` come in order.
    """
    remaining, position = volume, used
    parts = []
    for tier in tiers:
        if tier.upper is not None and (position > tier.upper or (position == tier.upper and remaining > 0)):
            continue
        taken = remaining if tier.upper is None else min(remaining, tier.upper - position)
        parts.append(_part(tier, taken))
        remaining, position = remaining - taken, position + taken
        if not remaining:
            break
    return parts


def _part(tier: PriceTier, volume: Decimal) -> TierPart:
    amount = (volume * tier.unit_price).quantize(FOUR_PLACES, rounding=ROUND_HALF_UP)
    return TierPart(tier=tier.position, volume=volume, unit_price=tier.unit_price, amount=amount)
