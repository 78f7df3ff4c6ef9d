"""Replacing a meter (1009, R7): the customer, the price, the balance and the running cycle go on in the new one."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters.accounts import is_in_arrears, open_account
from meters.models import Account, Meter, MeterPrice, MeterState, MeterStatus
from meters.words import REPLACED
from protocol.errors import Refused
from readings.closing import end_life, lock_chain, settle_to_the_end

_SAME_CUSTOMER = (
    *("company", "manufacturer", "user_no", "user_name", "address", "phone", "customer_type"),
    *("billing_model", "pay_mode", "overdraft"),
)
# What the customer paid, and what the CIS last said of the customer's balance (billing model 2).
_SAME_STATE = (
    *("recharged", "recharge_count", "last_recharge", "last_recharged_at"),
    *("cis_valve_control", "cis_price", "cis_remaining", "cis_asked_at", "cis_answered_at"),
)


class NewMeterTaken(Refused):
    words = _("another meter in service has the number %(meter_no)s")

    def __init__(self, meter_no: str) -> None:
        self.meter_no = meter_no
        super().__init__(f"新表号 {meter_no} 已存在，表具更换失败！")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What 1009 says of the swap: the indexes of both meters in m3."""

    meter_no: str
    meter_type: str
    comm_no: str
    closing_index: Decimal
    opening_index: Decimal


@transaction.atomic
def replace_meter(old: Meter, replacement: Replacement, *, now: datetime) -> Meter:
    """End `old` and put a new meter of the same manufacturer into its place, in one transaction.

    Raises NewMeterTaken, FieldInvalid for a closing index below the last valid one, MeterUnknown when `old` has
    ended meanwhile.
    """
    account = lock_chain(old)
    old = account.meter
    _refuse_taken(replacement.meter_no, old=old)
    end_life(account, closing_index=replacement.closing_index, field="oldNum", reason=REPLACED, now=now)
    new = _insert(old, replacement, now=now)
    heir = _open_books(old, new, now=now)
    settle_to_the_end(old, now=now)
    _carry_cycle(account, heir)
    return new


def _refuse_taken(meter_no: str, *, old: Meter) -> None:
    """Before anything has changed: two customers who swap their meters would each wait for the end of the other's."""
    active = Meter.objects.filter(manufacturer=old.manufacturer, meter_no=meter_no, status=MeterStatus.ACTIVE)
    if active.exclude(pk=old.pk).exists():
        raise NewMeterTaken(meter_no)


def _insert(old: Meter, replacement: Replacement, *, now: datetime) -> Meter:
    new = Meter(
        **{name: getattr(old, name) for name in _SAME_CUSTOMER},
        meter_no=replacement.meter_no,
        meter_type=replacement.meter_type,
        comm_no=replacement.comm_no,
        device_id=uuid.uuid4().hex,
        registered_at=now,
        initial_index=replacement.opening_index,
        replaces=old,
        origin_id=old.origin_id or old.pk,
        status=MeterStatus.ACTIVE,
        created_at=now,
    )
    try:
        with transaction.atomic():
            new.save(force_insert=True)
    except IntegrityError:
        raise NewMeterTaken(replacement.meter_no) from None
    return new


def _open_books(old: Meter, new: Meter, *, now: datetime) -> Account:
    today = timezone.localdate(now)
    state = MeterState.objects.filter(meter=old).values(*_SAME_STATE).get()
    MeterState.objects.create(meter=new, **state)
    price = MeterPrice.objects.get(meter=old, ends__isnull=True).price
    MeterPrice.objects.create(meter=new, price=price, starts=today)
    return open_account(new, first_day=today)


def _carry_cycle(account: Account, heir: Account) -> None:
    """The old meter is settled: what its cycle had used goes on; its balance has been carried by the settlement."""
    account.refresh_from_db()
    heir.refresh_from_db()
    heir.cycle_start, heir.cycle_volume = account.cycle_start, account.cycle_volume
    heir.in_arrears = is_in_arrears(heir, balance=heir.balance)
    heir.save(update_fields=["cycle_start", "cycle_volume", "in_arrears"])
