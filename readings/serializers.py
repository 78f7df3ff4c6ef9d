"""The bodies of 2001, 1013 and 1015 (specification 2.4.8, 2.4.10, 2.4.11)."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from meters.models import BillingModel, ValveState
from protocol.errors import FieldInvalid
from protocol.fields import (
    ChoiceField,
    DayField,
    MessageSerializer,
    MomentField,
    NumberField,
    ObjectField,
    PercentField,
    TextField,
    TimeOfDayField,
    WireSerializer,
    parse_day,
)
from readings.intake import Report

MAX_BACKFILL_DAYS = 400
# 2001's own codes in a request (R8).
VALVE_STATES = {"2": ValveState.OPEN, "3": ValveState.CLOSED}
# What a report tells beside its index: the columns of a reading, and the fields of 2001.
TELEMETRY_FIELDS = {
    "battery_voltage": "batteryCap",
    "signal_percent": "semaphore",
    "temperature": "temperature",
    "standard_total": "standardTotalValue",
    "working_total": "workTotalValue",
    "standard_flow": "standardInstantValue",
    "working_flow": "workInstantValue",
    "pressure": "pressureValue",
    "reported_price": "curPrice",
    "reported_balance": "meterBalance",
    "reported_volume": "sumUseGas",
    "reported_amount": "sumUseAmount",
}


class ReportSerializer(MessageSerializer):
    userNo = TextField(max_length=17)
    deviceId = TextField(max_length=64, required=False)
    meterNo = TextField(max_length=12)
    billingModel = ChoiceField(choices=BillingModel.values)
    readNum = NumberField()
    addGas = ObjectField(required=False)
    sumUseGas = NumberField(required=False)
    sumUseAmount = NumberField(required=False)
    readDate = DayField()
    readTime = TimeOfDayField()
    batteryCap = NumberField(integer_digits=4)
    semaphore = PercentField()
    temperature = NumberField(integer_digits=4, signed=True, required=False)
    standardTotalValue = NumberField(required=False)
    workTotalValue = NumberField(required=False)
    standardInstantValue = NumberField(signed=True, required=False)
    workInstantValue = NumberField(signed=True, required=False)
    pressureValue = NumberField(signed=True, required=False)
    valveState = TextField(max_length=16)
    curPrice = NumberField(required=False)
    meterBalance = NumberField(signed=True, required=False)
    sdateTime = MomentField()

    def parse(self) -> dict[str, Any]:
        data = super().parse()
        if data["billingModel"] == BillingModel.METER:
            for name in ("sumUseGas", "sumUseAmount", "curPrice"):
                if name not in data:
                    raise FieldInvalid(name, "表端结算时不能为空")
        data["report"] = _report(data)
        return data


def _report(data: dict[str, Any]) -> Report:
    return Report(
        read_at=timezone.make_aware(datetime.combine(data["readDate"], data["readTime"])),
        index=data["readNum"],
        backfill=_backfill(data.get("addGas", {})),
        valve=VALVE_STATES.get(data["valveState"], ValveState.UNKNOWN),
        telemetry={name: data.get(field) for name, field in TELEMETRY_FIELDS.items()},
    )


class IndexSerializer(WireSerializer):
    addGas = NumberField()


def _backfill(days: dict[str, Any]) -> dict[date, Decimal]:
    """addGas: the index in m3 at the end of each named day."""
    if len(days) > MAX_BACKFILL_DAYS:
        raise FieldInvalid("addGas", f"不能超过 {MAX_BACKFILL_DAYS} 天")
    indexes: dict[date, Decimal] = {}
    for text, value in days.items():
        day = parse_day(text.strip())
        if day is None:
            raise FieldInvalid("addGas", f"的日期 {text[:20]} 无效")
        if day in indexes:
            raise FieldInvalid("addGas", f"的日期 {day} 重复")
        indexes[day] = IndexSerializer(data={"addGas": value}).parse()["addGas"]
    return indexes


class FleetReadingsSerializer(MessageSerializer):
    meterNo = TextField(max_length=12, required=False)
    readingDate = DayField(required=False)


class DailyUsageSerializer(MessageSerializer):
    userNo = TextField(max_length=17)
    deviceId = TextField(max_length=64, required=False)
    meterNo = TextField(max_length=12, required=False)
    startTime = DayField()
    endTime = DayField()

    def parse(self) -> dict[str, Any]:
        data = super().parse()
        if data["endTime"] < data["startTime"]:
            raise FieldInvalid("endTime", "不能早于 startTime")
        return data
