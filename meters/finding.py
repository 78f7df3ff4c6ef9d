"""Finding the meter that a message is about (R7)."""

from meters.models import Meter, MeterStatus
from protocol.errors import Refused
from protocol.models import Company, Manufacturer


class UserUnknown(Refused):
    def __init__(self) -> None:
        super().__init__("用户不存在")


class MeterUnknown(Refused):
    def __init__(self) -> None:
        super().__init__("表具不存在")


def find_active_meter(
    *,
    company: Company,
    manufacturer: Manufacturer,
    meter_no: str | None = None,
    user_no: str | None = None,
    device_id: str | None = None,
) -> Meter:
    """The one active meter that everything given points to; a meter or a user number is always given.

    Raises UserUnknown or MeterUnknown (9999).
    """
    active = Meter.objects.filter(status=MeterStatus.ACTIVE, company=company)
    numbers = {"meter_no": meter_no, "user_no": user_no, "device_id": device_id}
    given = {name: value for name, value in numbers.items() if value is not None}
    meter = active.filter(manufacturer=manufacturer, **given).first()
    if meter is not None:
        return meter
    if user_no is not None and not active.filter(manufacturer=manufacturer, user_no=user_no).exists():
        raise UserUnknown
    raise MeterUnknown
