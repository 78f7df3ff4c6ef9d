"""1014: everything known of one meter."""

from django.utils import timezone

from meters.finding import meter_of
from meters.models import CustomerType, Meter, MeterState, ValveState
from meters.serializers import OfMeterSerializer
from pricing.models import Price
from protocol.endpoint import Call, QueryEndpoint, success
from protocol.ledger import Json
from protocol.wire import day_text, decimal_text, long_time
from readings.figures import current_price, figures_of

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


class MeterDetail(QueryEndpoint):
    code = "1014"
    request_serializer = OfMeterSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        price = current_price(meter)
        shown = {**_who(meter, price=price), **_what(meter, call=call, price=price), **_recharges(meter.state)}
        detail = {"serialNo": call.serial_no, **shown}
        return success(detail)


def _who(meter: Meter, *, price: Price) -> dict[str, str]:
    return {
        "deviceId": meter.device_id,
        "meterNo": meter.meter_no,
        "meterState": IN_USE,
        "setUpTime": day_text(timezone.localdate(meter.registered_at)),
        "beseNum": decimal_text(meter.initial_index),
        "userName": meter.user_name,
        "address": meter.address,
        "userType": CUSTOMER_LABELS[CustomerType(meter.customer_type)] if meter.customer_type else "",
        "priceCode": price.code,
    }


def _what(meter: Meter, *, call: Call, price: Price) -> dict[str, str]:
    state = meter.state
    figures = figures_of(meter, today=timezone.localdate(call.now), price_now=price)
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
