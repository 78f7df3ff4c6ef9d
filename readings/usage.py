"""1015: the settled days of a user (R10)."""

from datetime import date

from meters.finding import find_active_meter
from protocol.models import Company, Manufacturer
from protocol.wire import day_text, decimal_text
from readings.models import DailyUsage


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
    """One entry per day and tier in [first, last], oldest first. Raises UserUnknown or MeterUnknown (9999)."""
    meter = find_active_meter(
        company=company, manufacturer=manufacturer, meter_no=meter_no, user_no=user_no, device_id=device_id
    )
    rows = DailyUsage.objects.filter(meter=meter, day__range=(first, last)).order_by("day", "tier")
    return [
        {
            "useDate": day_text(row.day),
            "price": decimal_text(row.unit_price),
            "useGas": decimal_text(row.volume),
            "useAmount": decimal_text(row.amount),
            "deviceId": meter.device_id,
            "meterNo": meter.meter_no,
        }
        for row in rows
    ]
