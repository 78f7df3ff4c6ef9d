"""Finding the meter that a message is about (R7)."""

from django.utils.translation import gettext_lazy as _

from meters.models import Meter, MeterStatus
from protocol.endpoint import Call
from protocol.errors import Refused
from protocol.models import Company, Manufacturer


class UserUnknown(Refused):
    words = _("there is no such user in service")

    def __init__(self) -> None:
        super().__init__("用户不存在")


class MeterUnknown(Refused):
    words = _("there is no such meter in service")

    def __init__(self) -> None:
        super().__init__("表具不存在")


def find_active_meter(
    *,
    company: Company,
    manufacturer: Manufacturer | None,
    meter_no: str | None = None,
    user_no: str | None = None,
    device_id: str | None = None,
) -> Meter:
    """The one active meter that everything given points to; a meter or a user number is always given.

    Raises UserUnknown or MeterUnknown (9999).
    """
    active = Meter.objects.filter(status=MeterStatus.ACTIVE, company=company)
    if manufacturer is not None:
        active = active.filter(manufacturer=manufacturer)
    numbers = {"meter_no": meter_no, "user_no": user_no, "device_id": device_id}
    given = {name: value for name, value in numbers.items() if value is not None}
    meter = active.filter(**given).first()
    if meter is not None:
        return with_parties(meter, company=company, manufacturer=manufacturer)
    if user_no is not None and not active.filter(user_no=user_no).exists():
        raise UserUnknown
    raise MeterUnknown


def with_parties(meter: Meter, *, company: Company, manufacturer: Manufacturer | None) -> Meter:
    """`meter`, which knows these as its own by now and need not ask for them."""
    meter.company = company
    if manufacturer is not None:
        meter.manufacturer = manufacturer
    return meter


def meter_of(call: Call) -> Meter:
    """The active meter that a message about one meter names; 1005 may leave out its manufacturer (R7)."""
    return find_active_meter(
        company=call.company,
        manufacturer=call.manufacturer if "factorNo" in call.data else None,
        meter_no=call.data["meterNo"],
        user_no=call.data["userNo"],
        device_id=call.data.get("deviceId"),
    )
