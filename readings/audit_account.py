"""What an account keeps against what it must be: totals, history, and where it stands in its cycle and its money."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from meters.accounts import is_in_arrears
from meters.models import AccountEntry, BillingModel, EntryKind, Meter, PayMode
from readings.models import DailyUsage
from readings.usage import chain_of

ZERO = Decimal(0)
Volumes = Sequence[tuple[date, Decimal]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is kept of a meter against what it should be."""

    meter_no: str
    what: str
    kept: str
    expected: str


def difference(meter: Meter, what: str, kept: object, expected: object) -> Difference:
    return Difference(meter_no=meter.meter_no, what=what, kept=str(kept), expected=str(expected))


def account_differences(meter: Meter, *, earlier: Volumes, own: Volumes) -> Iterator[Difference]:
    """All of one account. `own` are the settled m3 per day of the meter, `earlier` what else counts in its cycle."""
    kept_here = meter.billing_model == BillingModel.PLATFORM
    checks = [*_totals(meter), *_standing(meter, earlier=earlier, own=own), *_terms(meter, kept_here=kept_here)]
    if kept_here:
        checks += [*_history(meter), *_recharges(meter), *_chain(meter)]
    return (difference(meter, what, kept, expected) for what, kept, expected in checks if kept != expected)


Check = tuple[str, object, object]


def _totals(meter: Meter) -> Iterator[Check]:
    """The daily usage adds up to the account."""
    rows = DailyUsage.objects.filter(meter=meter)
    sums = rows.aggregate(volume=Sum("volume", default=ZERO), amount=Sum("amount", default=ZERO))
    yield "settled volume", meter.account.settled_volume, sums["volume"]
    yield "settled amount", meter.account.settled_amount, sums["amount"]


def _standing(meter: Meter, *, earlier: Volumes, own: Volumes) -> Iterator[Check]:
    """From where the next day is settled; days that are due again are settled from the readings instead."""
    account = meter.account
    if account.unsettled_from <= account.settled_through:
        return
    yield "settled index", account.settled_index, sum((volume for _, volume in own), meter.initial_index)
    if account.cycle_start is not None:
        used = (volume for day, volume in (*earlier, *own) if day >= account.cycle_start)
        yield f"volume of the cycle since {account.cycle_start}", account.cycle_volume, sum(used, ZERO)


def _terms(meter: Meter, *, kept_here: bool) -> Iterator[Check]:
    """What follows from the meter: who keeps the money, its overdraft, and whether it is used up (R11)."""
    account = meter.account
    prepaid = kept_here and meter.pay_mode == PayMode.PREPAID
    yield "kept here", account.kept_here, kept_here
    yield "replaced another", account.is_heir, meter.origin_id is not None
    yield "overdraft", account.overdraft_limit, meter.overdraft if prepaid else None
    # A new account is looked at first when it is settled or paid into.
    born_on = timezone.localdate(meter.registered_at)
    looked_at = account.is_heir or account.settled_through >= born_on or _entries(meter).exists()
    yield "in arrears", account.in_arrears, looked_at and is_in_arrears(account, balance=account.balance)


def _history(meter: Meter) -> Iterator[Check]:
    """The entries add up to the balance, and those of settlement to what was settled."""
    yield "balance", meter.account.balance, _sum(_entries(meter))
    settled = _entries(meter).filter(kind__in=[EntryKind.SETTLEMENT, EntryKind.CORRECTION])
    yield "settled amount in the history", meter.account.settled_amount, -_sum(settled)


def _recharges(meter: Meter) -> Iterator[Check]:
    """What 1014 tells of the customer's recharges, those on replaced meters included."""
    paid = AccountEntry.objects.filter(meter__in=chain_of(meter), kind=EntryKind.RECHARGE)
    sums = paid.aggregate(amount=Sum("amount", default=ZERO), count=Count("pk"))
    yield "recharged", meter.state.recharged, sums["amount"]
    yield "recharges", meter.state.recharge_count, sums["count"]


def _chain(meter: Meter) -> Iterator[Check]:
    """A replaced meter keeps nothing; nothing is lost on the way to the one in service (R7)."""
    if Meter.objects.filter(replaces=meter).exists():
        yield "balance of a replaced meter", meter.account.balance, ZERO
    elif meter.origin_id is not None:
        carried = AccountEntry.objects.filter(meter__in=chain_of(meter))
        yield (
            "carried over",
            _sum(carried.filter(kind=EntryKind.CARRY_IN)),
            -_sum(carried.filter(kind=EntryKind.CARRY_OUT)),
        )


def _entries(meter: Meter) -> QuerySet[AccountEntry]:
    return AccountEntry.objects.filter(meter=meter)


def _sum(entries: QuerySet[AccountEntry]) -> Decimal:
    return entries.aggregate(sum=Sum("amount", default=ZERO))["sum"]
