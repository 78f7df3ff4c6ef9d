"""1001: register a meter."""

from decimal import Decimal
from typing import Any

from meters.registration import Registration, register_meter
from meters.serializers import RegisterMeterSerializer
from protocol.endpoint import Call, MessageEndpoint
from protocol.ledger import Json
from protocol.relay import relay


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
