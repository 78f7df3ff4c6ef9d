"""Ending a meter (1002, R7): closing reading, settlement of the days up to it, and the numbers are free again."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alarms.services import clear_all_of
from commands.queue import cancel_waiting
from meters.accounts import lock_account
from meters.models import Account, Meter, MeterStatus
from readings.intake import take_closing
from readings.settlement import settle_meter
from readings.usage import chain_of


@transaction.atomic
def deregister_meter(meter: Meter, *, closing_index: Decimal, reason: str, now: datetime) -> Meter:
    """End the life of a meter with a closing reading of `closing_index` m3 and settle it to its end.

    Raises FieldInvalid for an index that cannot be the last one, MeterUnknown when it has ended meanwhile.
    """
    account = lock_chain(meter)
    end_life(account, closing_index=closing_index, field="initNum", reason=reason, now=now)
    settle_to_the_end(meter, now=now)
    return account.meter


def lock_chain(meter: Meter) -> Account:
    """The account of `meter`, locked after those of the meters it replaced, in the order of settlement.

    Raises MeterUnknown when it has ended meanwhile.
    """
    if meter.origin_id is not None:
        earlier = Account.objects.filter(meter__in=chain_of(meter))
        list(earlier.select_for_update(of=("self",)).order_by("is_heir", "meter_id"))
    return lock_account(meter)


def settle_to_the_end(meter: Meter, *, now: datetime) -> None:
    """All days of a meter that has just ended. Its cycle may go on from meters that are due again: first these."""
    today = timezone.localdate(now)
    if meter.origin_id is not None:
        due = Account.objects.filter(meter__in=chain_of(meter), unsettled_from__lte=F("closes_on"))
        for earlier in due.exclude(meter=meter).order_by("meter_id").values_list("meter_id", flat=True):
            settle_meter(earlier, through=today)
    settle_meter(meter.pk, through=today)


def end_life(account: Account, *, closing_index: Decimal, field: str, reason: str, now: datetime) -> None:
    """Close a meter whose account is locked; its last day is today, and nothing is due after it."""
    take_closing(account, index=closing_index, field=field, now=now)
    meter = account.meter
    cancel_waiting(meter, reason=reason, now=now)
    clear_all_of(meter, because=reason, now=now)
    meter.status, meter.ended_at = MeterStatus.ENDED, now
    meter.closing_index, meter.end_reason = closing_index, reason
    meter.save(update_fields=["status", "ended_at", "closing_index", "end_reason"])
    account.closes_on = timezone.localdate(now)
    account.in_arrears = False
    account.save(update_fields=["closes_on", "in_arrears"])
