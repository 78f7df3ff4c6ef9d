"""Which price a meter has on a day, and changing it (1008, R9)."""

from datetime import date

from meters.models import Account, Meter, MeterPrice
from pricing.models import Price


def price_on(meter: Meter, day: date) -> Price | None:
    """The price of `meter` on `day`, past days included; None before its life."""
    row = MeterPrice.objects.on(day).filter(meter=meter).select_related("price").first()
    return row.price if row else None


def assign_price(account: Account, *, price: Price, day: date) -> bool:
    """Give the meter of a locked account `price` from `day` on; False when it has it already.

    A second change on the same day replaces the first. The days from `day` on become due again.
    """
    current = MeterPrice.objects.get(meter=account.meter, ends__isnull=True)
    if current.price_id == price.pk:
        return False
    if current.starts >= day:
        current.price = price
        current.save(update_fields=["price"])
        _join_with_previous(current)
    else:
        current.ends = day
        current.save(update_fields=["ends"])
        MeterPrice.objects.create(meter=account.meter, price=price, starts=day)
    if account.unsettled_from > day:
        account.unsettled_from = day
        account.save(update_fields=["unsettled_from"])
    return True


def _join_with_previous(current: MeterPrice) -> None:
    """A change that is taken back on the same day leaves one row, not two of the same price."""
    previous = MeterPrice.objects.filter(meter=current.meter, ends=current.starts, price=current.price).first()
    if previous is not None:
        current.delete()
        previous.ends = None
        previous.save(update_fields=["ends"])
