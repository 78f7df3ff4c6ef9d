"""1002: deregister a meter. 1008: change its price. 1009: replace it."""

from meters.finding import meter_of
from pricing.services import find_price
from protocol.endpoint import Call, MessageEndpoint
from protocol.ledger import Json
from protocol.relay import relay
from readings.closing import deregister_meter
from readings.life_serializers import ChangePriceSerializer, DeregisterSerializer, ReplaceSerializer
from readings.replacement import Replacement, replace_meter
from readings.repricing import change_price


class DeregisterMeter(MessageEndpoint):
    code = "1002"
    request_serializer = DeregisterSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        deregister_meter(meter, closing_index=call.data["initNum"], reason=call.data["reason"], now=call.now)
        relay(call, code=self.code, lane=meter.pk, deviceId=meter.device_id)
        return call.receipt(device_id=meter.device_id)


class ChangePrice(MessageEndpoint):
    code = "1008"
    request_serializer = ChangePriceSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        price = find_price(company=call.company, manufacturer=call.manufacturer, code=call.data["newPriceCode"])
        change_price(meter, price=price, now=call.now)
        relay(call, code=self.code, lane=meter.pk, deviceId=meter.device_id)
        return call.receipt(device_id=meter.device_id)


class ReplaceMeter(MessageEndpoint):
    code = "1009"
    request_serializer = ReplaceSerializer

    def handle(self, call: Call) -> Json:
        data = call.data
        replacement = Replacement(
            meter_no=data["newMeterNo"],
            meter_type=data["newMeterType"],
            comm_no=data.get("newCommNo", ""),
            closing_index=data["oldNum"],
            opening_index=data["newNum"],
        )
        old = meter_of(call)
        new = replace_meter(old, replacement, now=call.now)
        relay(call, code=self.code, lane=new.pk, deviceId=old.device_id)
        return call.receipt(device_id=new.device_id)
