"""The account of a meter of billing model 3 (R11, R12): recharges, arrears, history."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters.finding import MeterUnknown
from meters.models import Account, AccountEntry, BillingModel, EntryKind, Meter, MeterState, MeterStatus, PayMode
from protocol.errors import Refused


class RechargeRepeated(Refused):
    words = _("a recharge with the stream %(stream)s is known already")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        super().__init__(f"充值流水 {stream} 重复")


class NotKeptHere(Refused):
    """The money of this meter is in the meter or in the CIS (billing models 1 and 2)."""

    words = _("the platform does not keep the money of this meter")

    def __init__(self) -> None:
        super().__init__("该表具的余额不由平台管理")


def lock_account(meter: Meter) -> Account:
    """The account row, locked: whoever adds readings, settles, or ends a meter holds it.

    The meter comes with it as it is now. Raises MeterUnknown when it has ended meanwhile.
    """
    account = Account.objects.select_for_update().get(meter=meter)
    # Asked in a statement of its own: one that joins would show the meter as it was before the wait for the lock.
    account.meter = Meter.objects.get(pk=account.pk)
    # These never change, and most who ask have them.
    known = meter._state.fields_cache
    for name in known.keys() & {"company", "manufacturer"}:
        setattr(account.meter, name, known[name])
    if account.meter.status != MeterStatus.ACTIVE:
        raise MeterUnknown
    return account


def open_account(meter: Meter, *, first_day: date, **cycle: Any) -> Account:
    """The account of a new meter: nothing settled, due from `first_day` on."""
    kept_here = meter.billing_model == BillingModel.PLATFORM
    return Account.objects.create(
        meter=meter,
        unsettled_from=first_day,
        settled_through=first_day - timedelta(days=1),
        settled_index=meter.initial_index,
        kept_here=kept_here,
        is_heir=meter.origin_id is not None,
        overdraft_limit=meter.overdraft if kept_here and meter.pay_mode == PayMode.PREPAID else None,
        **cycle,
    )


def is_in_arrears(account: Account, *, balance: Decimal) -> bool:
    """Prepaid with billing model 3, and `balance` and overdraft together are used up (R11)."""
    return account.overdraft_limit is not None and account.closes_on is None and balance + account.overdraft_limit <= 0


@transaction.atomic
def recharge(meter: Meter, *, amount: Decimal, stream: str, now: datetime) -> Account:
    """Credit `amount` CNY to a meter of billing model 3, exactly once per `stream`.

    Raises RechargeRepeated, NotKeptHere, MeterUnknown. The account tells whether it is still in arrears.
    """
    account = lock_account(meter)
    if not account.kept_here:
        raise NotKeptHere
    _add_recharge(account, amount=amount, stream=stream, now=now)
    account.credited += amount
    account.in_arrears = is_in_arrears(account, balance=account.credited - account.settled_amount)
    account.save(update_fields=["credited", "in_arrears"])
    state = MeterState.objects.get(meter=meter)
    state.recharged += amount
    state.recharge_count += 1
    state.last_recharge, state.last_recharged_at = amount, now
    state.save(update_fields=["recharged", "recharge_count", "last_recharge", "last_recharged_at"])
    return account


def _add_recharge(account: Account, *, amount: Decimal, stream: str, now: datetime) -> None:
    try:
        with transaction.atomic():
            AccountEntry.objects.create(
                meter=account.meter,
                kind=EntryKind.RECHARGE,
                amount=amount,
                day=timezone.localdate(now),
                reference=stream,
            )
    except IntegrityError:
        raise RechargeRepeated(stream) from None
