"""1001: register a meter. 1014: everything known of one meter."""

from decimal import Decimal
from typing import Any

from django.utils import timezone

from meters.figures import current_price, figures_of
from meters.finding import meter_of
from meters.models import CustomerType, Meter, MeterState, ValveState
from meters.registration import Registration, register_meter
from meters.serializers import OfMeterSerializer, RegisterMeterSerializer
from protocol.endpoint import Call, MessageEndpoint, QueryEndpoint, success
from protocol.ledger import Json
from protocol.relay import relay
from protocol.wire import day_text, decimal_text, long_time

# 1014's own codes (R8).
VALVE_CODES = {ValveState.OPEN: "1", ValveState.CLOSED: "2", ValveState.UNKNOWN: "3"}
IN_USE = "2"
# Appendix three, in the words of the wire.
CUSTOMER_LABELS = {
    CustomerType.INDUSTRIAL: "工业户",
    CustomerType.RESIDENTIAL: "居民户",
    CustomerType.WALL_BOILER: "壁挂炉户",
    CustomerType.COLLECTIVE: "集体户",
    CustomerType.RESIDENTIAL_HEATING: "居民采暖户",
    CustomerType.COMMERCIAL: "商业户",
    CustomerType.PUBLIC_WELFARE: "公福户",
    CustomerType.COAL_TO_GAS: "居民煤改气",
    CustomerType.MINIMUM_LIVING: "底保户",
}


class RegisterMeter(MessageEndpoint):
    code = "1001"
    request_serializer = RegisterMeterSerializer

    def handle(self, call: Call) -> Json:
        meter = register_meter(
            company=call.company,
            manufacturer=call.manufacturer,
            registration=_registration(call.data),
            now=call.now,
        )
        relay(call, code=self.code, lane=meter.pk, deviceId=meter.device_id)
        return call.receipt(device_id=meter.device_id)


def _registration(data: dict[str, Any]) -> Registration:
    return Registration(
        user_no=data["userNo"],
        meter_no=data["meterNo"],
        device_id=data.get("deviceId"),
        meter_type=data["meterType"],
        billing_model=data["billingModel"],
        pay_mode=data["payModel"],
        registered_at=data["sdateTime"],
        initial_index=data["initNum"],
        price_code=data["priceCode"],
        comm_no=data.get("commNo", ""),
        user_name=data.get("username", ""),
        address=data.get("address", ""),
        phone=data.get("phoneNum", ""),
        customer_type=data.get("customerType", ""),
        overdraft=data.get("overdraft", Decimal(0)),
        initial_cycle_volume=data.get("initCycle", Decimal(0)),
    )


class MeterDetail(QueryEndpoint):
    code = "1014"
    request_serializer = OfMeterSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        detail = {"serialNo": call.serial_no, **_who(meter), **_what(meter, call=call), **_recharges(meter.state)}
        return success(detail)


def _who(meter: Meter) -> dict[str, str]:
    return {
        "deviceId": meter.device_id,
        "meterNo": meter.meter_no,
        "meterState": IN_USE,
        "setUpTime": day_text(timezone.localdate(meter.registered_at)),
        "beseNum": decimal_text(meter.initial_index),
        "userName": meter.user_name,
        "address": meter.address,
        "userType": CUSTOMER_LABELS[CustomerType(meter.customer_type)] if meter.customer_type else "",
        "priceCode": current_price(meter).code,
    }


def _what(meter: Meter, *, call: Call) -> dict[str, str]:
    state = meter.state
    figures = figures_of(meter, today=timezone.localdate(call.now))
    signal = decimal_text(state.signal_percent, missing="")
    return {
        "readingNum": decimal_text(state.index, missing=decimal_text(meter.initial_index)),
        "valveState": VALVE_CODES[ValveState(state.valve)],
        "sumUseGas": decimal_text(figures.volume),
        "sumUseMoney": decimal_text(figures.amount),
        "balance": decimal_text(figures.balance),
        "price": decimal_text(figures.price, missing=""),
        "lastReadingTime": long_time(state.read_at),
        "voltage": decimal_text(state.battery_voltage, missing=""),
        "signalStrength": f"{signal}%" if signal else "",
    }


def _recharges(state: MeterState) -> dict[str, str]:
    return {
        "sumRechargeAomunt": decimal_text(state.recharged),
        "lastRechargeAmount": decimal_text(state.last_recharge),
        "lastRechargeDate": long_time(state.last_recharged_at),
        "rechargeCount": str(state.recharge_count),
    }
