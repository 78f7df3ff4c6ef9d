"""1007: create and adjust prices."""

from django.utils import timezone

from pricing.serializers import CREATE, FIRST_VERSION, RESTART_CYCLE, SetPriceSerializer
from pricing.services import adjust_price, create_price
from protocol.endpoint import Call, MessageEndpoint
from protocol.ledger import Json
from protocol.relay import relay


class SetPrice(MessageEndpoint):
    code = "1007"
    request_serializer = SetPriceSerializer

    def handle(self, call: Call) -> Json:
        data = call.data
        if data["priceProperty"] == CREATE:
            version = create_price(
                company=call.company,
                manufacturer=call.manufacturer,
                code=data["priceCode"],
                version=data.get("priceVersion", FIRST_VERSION),
                tariff=data["tariff"],
            )
        else:
            version = adjust_price(
                company=call.company,
                manufacturer=call.manufacturer,
                code=data["priceCode"],
                version=data["priceVersion"],
                tariff=data["tariff"],
                effective_from=data["priceBeginDate"],
                restarts_cycle=data["clearFlag"] == RESTART_CYCLE,
                today=timezone.localdate(call.now),
            )
        # No meter's lane: prices are ordered among themselves, apart from every meter.
        relay(call, code=self.code, lane=-version.price_id)
        return call.receipt()
