"""The answer to 2001, which alone is flat (R3)."""

from dataclasses import dataclass
from decimal import Decimal

from meters.models import Meter
from protocol.endpoint import Call
from protocol.ledger import Json
from protocol.models import Company, Manufacturer
from protocol.wire import compact_time, decimal_text


@dataclass(frozen=True, slots=True)
class MeterNames:
    """What messages say of a meter, without the model."""

    company: Company
    manufacturer: Manufacturer
    user_no: str
    meter_no: str
    device_id: str
    billing_model: str


def report_answer(
    meter: Meter | MeterNames, *, call: Call, price: Decimal | None, balance: Decimal | None, valve_control: str
) -> Json:
    """`price` in CNY/m3 and `balance` in CNY; `valve_control` by R8."""
    return {
        "echoCode": "0000",
        "serialNo": call.serial_no,
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": call.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "valvecontrol": valve_control,
        "currentprice": decimal_text(price, missing=""),
        "remainquantity": decimal_text(balance, missing=""),
        "rdateTime": compact_time(call.now),
    }
