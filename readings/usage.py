"""1015: the settled days of a user, and the volume of a cycle (R10)."""

from datetime import date
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from meters.finding import find_active_meter
from meters.models import Meter
from protocol.models import Company, Manufacturer
from protocol.wire import day_text, decimal_text
from readings.models import DailyUsage


def chain_of(meter: Meter) -> QuerySet[Meter]:
    """The meter and those it replaced, one after another, the first one first."""
    first = meter.origin_id or meter.pk
    return Meter.objects.filter(Q(pk=first) | Q(origin=first), pk__lte=meter.pk).order_by("pk")


def volume_since(meter: Meter, start: date, *, until: date = date.max) -> Decimal:
    """m3 that the meter and those it replaced used in [start, until), as far as settled (R9: initCycle too)."""
    chain = chain_of(meter)
    first = chain[0]
    before = first.initial_cycle_volume if timezone.localdate(first.registered_at) >= start else Decimal(0)
    used = DailyUsage.objects.filter(meter__in=chain, day__gte=start, day__lt=until)
    return before + used.aggregate(volume=Sum("volume", default=Decimal(0)))["volume"]


def usage_days(
    *,
    company: Company,
    manufacturer: Manufacturer,
    user_no: str,
    meter_no: str | None,
    device_id: str | None,
    first: date,
    last: date,
) -> list[dict[str, str]]:
    """One entry per day and tier in [first, last], oldest first; by user alone also of the meters replaced (R10).

    Raises UserUnknown or MeterUnknown (9999).
    """
    meter = find_active_meter(
        company=company, manufacturer=manufacturer, meter_no=meter_no, user_no=user_no, device_id=device_id
    )
    by_user_alone = meter_no is None and device_id is None
    meters = {row.pk: row for row in (chain_of(meter) if by_user_alone else [meter])}
    rows = DailyUsage.objects.filter(meter__in=meters, day__range=(first, last)).order_by("day", "meter", "tier")
    return [
        {
            "useDate": day_text(row.day),
            "price": decimal_text(row.unit_price),
            "useGas": decimal_text(row.volume),
            "useAmount": decimal_text(row.amount),
            "deviceId": meters[row.meter_id].device_id,
            "meterNo": meters[row.meter_id].meter_no,
        }
        for row in rows
    ]
