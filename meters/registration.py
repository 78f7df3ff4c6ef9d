"""Registering a meter (1001, R7)."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from meters.accounts import open_account
from meters.models import Meter, MeterPrice, MeterState, MeterStatus
from pricing.models import Price
from pricing.services import cycle_start_on, find_price
from protocol.errors import FieldInvalid, Refused
from protocol.models import Company, Manufacturer


class AlreadyRegistered(Refused):
    def __init__(self, what: str, value: str) -> None:
        super().__init__(f"{what} {value} 已存在，表具注册失败！")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What 1001 says of a meter: indexes and volumes in m3, overdraft in CNY; life begins at `registered_at`."""

    user_no: str
    meter_no: str
    device_id: str | None
    meter_type: str
    billing_model: str
    pay_mode: str
    registered_at: datetime
    initial_index: Decimal
    price_code: str
    comm_no: str = ""
    user_name: str = ""
    address: str = ""
    phone: str = ""
    customer_type: str = ""
    overdraft: Decimal = Decimal(0)
    initial_cycle_volume: Decimal = Decimal(0)


@transaction.atomic
def register_meter(*, company: Company, manufacturer: Manufacturer, registration: Registration, now: datetime) -> Meter:
    """A new meter with its state, account and price. Its device id is made here when none is given.

    Raises AlreadyRegistered, PriceUnknown, or FieldInvalid for a life that would begin in the future.
    """
    tolerance = timedelta(seconds=settings.READING_FUTURE_TOLERANCE_SECONDS)
    if registration.registered_at > now + tolerance:
        raise FieldInvalid("sdateTime", "不能晚于当前时间")
    price = find_price(company=company, manufacturer=manufacturer, code=registration.price_code)
    meter = Meter(
        company=company,
        manufacturer=manufacturer,
        user_no=registration.user_no,
        meter_no=registration.meter_no,
        device_id=registration.device_id or uuid.uuid4().hex,
        comm_no=registration.comm_no,
        meter_type=registration.meter_type,
        user_name=registration.user_name,
        address=registration.address,
        phone=registration.phone,
        customer_type=registration.customer_type,
        billing_model=registration.billing_model,
        pay_mode=registration.pay_mode,
        overdraft=registration.overdraft,
        registered_at=registration.registered_at,
        initial_index=registration.initial_index,
        initial_cycle_volume=registration.initial_cycle_volume,
        created_at=now,
    )
    _insert(meter)
    _open_books(meter, price=price)
    return meter


def _insert(meter: Meter) -> None:
    """The unique constraints decide, also between two registrations at once; then say which one it was."""
    try:
        with transaction.atomic():
            meter.save(force_insert=True)
    except IntegrityError:
        raise _clash(meter) from None


def _clash(meter: Meter) -> Refused:
    active = Meter.objects.filter(status=MeterStatus.ACTIVE)
    if active.filter(company=meter.company, user_no=meter.user_no).exists():
        return AlreadyRegistered("用户号", meter.user_no)
    if active.filter(manufacturer=meter.manufacturer, meter_no=meter.meter_no).exists():
        return AlreadyRegistered("表号", meter.meter_no)
    return AlreadyRegistered("设备", meter.device_id)


def _open_books(meter: Meter, *, price: Price) -> None:
    first_day = timezone.localdate(meter.registered_at)
    MeterState.objects.create(meter=meter)
    MeterPrice.objects.create(meter=meter, price=price, starts=first_day)
    open_account(
        meter,
        first_day=first_day,
        cycle_start=cycle_start_on(price, first_day),
        cycle_volume=meter.initial_cycle_volume,
    )
