"""The 2001 of a virtual meter, with every documented field (specification 2.4.11, example 4.11)."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from django.utils import timezone

from protocol.wire import day_text
from simulator.consumption import end_of_day
from simulator.draws import draw
from simulator.fleet import VirtualMeter, fixed_text

VALVE_OPEN, VALVE_CLOSED = "2", "3"
BILLED_BY_PLATFORM = "3"
BATTERY_LIFE_DAYS = 2500

_TENTHS_OF_DEGREE = (45, 62, 112, 174, 221, 259, 288, 284, 241, 183, 121, 66)


def report_message(
    meter: VirtualMeter,
    *,
    serial_no: str,
    company: str,
    factor: str,
    moment: datetime,
    missed_days: Iterable[date],
    valve_state: str = VALVE_OPEN,
) -> dict[str, object]:
    """The report at `moment`; `addGas` carries the index at the end of each of `missed_days`."""
    local = timezone.localtime(moment)
    add_gas = {day_text(day): fixed_text(meter.index_at(end_of_day(day))) for day in missed_days}
    return {
        "serialNo": serial_no,
        "userNo": meter.user_no,
        "deviceId": "",
        "factorNo": factor,
        "meterNo": meter.meter_no,
        "billingModel": BILLED_BY_PLATFORM,
        "readNum": fixed_text(meter.index_at(moment)),
        "addGas": add_gas or "",
        "sumUseGas": "0",
        "sumUseAmount": "0",
        "readDate": local.strftime("%Y%m%d"),
        "readTime": local.strftime("%H%M%S"),
        "batteryCap": _battery(meter, local),
        "semaphore": _signal(meter, local),
        "temperature": _temperature(meter, local),
        "standardTotalValue": "",
        "workTotalValue": "",
        "standardInstantValue": "",
        "workInstantValue": "",
        "pressureValue": "",
        "valveState": valve_state,
        "curPrice": "0",
        "meterBalance": "0",
        "companyCode": company,
        "sdateTime": day_text(local.date()),
    }


def _battery(meter: VirtualMeter, local: datetime) -> str:
    """Falls from 6.40 V by about 0.1 V a year, until the battery is changed."""
    age = (local.toordinal() + draw(meter.home.key, "battery", below=BATTERY_LIFE_DAYS)) % BATTERY_LIFE_DAYS
    return _scaled(640 - age * 3 // 100, 2)


def _signal(meter: VirtualMeter, local: datetime) -> str:
    usual = 450 + draw(meter.home.key, "signal", below=450)
    noise = draw(meter.home.key, "signal", int(local.timestamp()), below=61) - 30
    return f"{_scaled(usual + noise, 1)}%"


def _temperature(meter: VirtualMeter, local: datetime) -> str:
    noise = draw(meter.home.key, "temperature", int(local.timestamp()) // 3600, below=61) - 30
    return _scaled(_TENTHS_OF_DEGREE[local.month - 1] + noise, 1)


def _scaled(value: int, places: int) -> str:
    return fixed_text(Decimal(value).scaleb(-places))
