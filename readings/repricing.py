"""Changing the price of one meter (1008, R9): effective for the day on which it is accepted."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from meters.accounts import lock_account
from meters.models import Account, Meter
from meters.prices import assign_price
from pricing.models import Price
from pricing.services import cycle_start_on
from readings.usage import volume_since


@transaction.atomic
def change_price(meter: Meter, *, price: Price, now: datetime) -> None:
    """Give `meter` another price from today on. Raises MeterUnknown when it has ended meanwhile."""
    account = lock_account(meter)
    today = timezone.localdate(now)
    if assign_price(account, price=price, day=today):
        _restart_cycle_count(account, price=price, now=now)


def _restart_cycle_count(account: Account, *, price: Price, now: datetime) -> None:
    """The other price may count in other cycles: what the meter used in the running one of these.

    Where days are due again settlement asks the rows itself, and this figure only shows the tier until then. Where it
    is not known it stays so.
    """
    if account.cycle_start is None:
        return
    start = cycle_start_on(price, timezone.localdate(now))
    account.cycle_start, account.cycle_volume = start, volume_since(account.meter, start)
    account.save(update_fields=["cycle_start", "cycle_volume"])
