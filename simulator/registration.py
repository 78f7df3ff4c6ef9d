"""What the CIS tells the platform before the first reading: one three-tier price (1007) and the meters (1001)."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from protocol.wire import compact_time, decimal_text
from simulator.consumption import start_of_day
from simulator.fleet import VirtualMeter, fixed_text

Message = dict[str, object]

DEFAULT_PRICE_CODE = "民用阶梯"
TIER_PRICES = (Decimal("2.6"), Decimal("3.12"), Decimal("3.9"))
TIER_ENDS = (Decimal(300), Decimal(500))
CYCLE_MONTHS = 12
METER_TYPE = "10521"
RESIDENTIAL = "02"


def price_message(*, serial_no: str, company: str, factor: str, price_code: str) -> Message:
    prices = {f"price{tier}": decimal_text(price) for tier, price in enumerate(TIER_PRICES, start=1)}
    ends = {f"ladder{tier}End": decimal_text(end) for tier, end in enumerate(TIER_ENDS, start=1)}
    return {
        "serialNo": serial_no,
        "factorNo": factor,
        "companyCode": company,
        "priceCode": price_code,
        "priceVersion": "V1",
        "priceProperty": "1",
        "priceBeginDate": "",
        "cycleLength": str(CYCLE_MONTHS),
        "priceType": "2",
        "clearFlag": "",
        "priceDetail": {"priceLength": str(len(TIER_PRICES)), **prices, **ends},
    }


def registration_message(
    meter: VirtualMeter,
    *,
    serial_no: str,
    company: str,
    factor: str,
    price_code: str,
    billing_model: str,
    pay_model: str,
    days: int,
    now: datetime,
) -> Message:
    """1001 for a meter whose life began at midnight, one day before the `days` that the head-end fills in."""
    began_at = start_of_day(timezone.localtime(now).date() - timedelta(days=days + 1))
    return {
        "serialNo": serial_no,
        "userNo": meter.user_no,
        "username": meter.customer,
        "deviceId": "",
        "factorNo": factor,
        "meterType": METER_TYPE,
        "meterNo": meter.meter_no,
        "commNo": meter.meter_no,
        "initNum": fixed_text(meter.index_at(began_at)),
        "billingModel": billing_model,
        "payModel": pay_model,
        "overdraft": "0",
        "initCycle": cycle_volume_text(meter, days=days),
        "companyCode": company,
        "sdateTime": compact_time(began_at),
        "priceCode": price_code,
        "address": meter.address,
        "phoneNum": meter.phone,
        "customerType": RESIDENTIAL,
    }


def cycle_volume_text(meter: VirtualMeter, *, days: int) -> str:
    """The volume of the running price cycle: two of three meters are about to cross into the next tier.

    So a week of data already shows days that are split between two prices.
    """
    ends = (None, *TIER_ENDS)
    end = ends[meter.number % len(ends)]
    if end is None:
        return "0"
    ahead = Decimal(meter.home.daily_units * (days + 1) // 2).scaleb(-4)
    return fixed_text(max(end - ahead, Decimal(0)))
