"""The bodies of 1002, 1008 and 1009 (specification 2.4.2, 2.4.6, 2.4.7)."""

from typing import Any

from meters.models import MeterType
from meters.serializers import MeterNoField, OfMeterSerializer
from protocol.fields import ChoiceField, MomentField, NumberField, TextField

REASON_WIDTH = 100


class ReasonField(TextField):
    """At most 100 characters, where one outside ASCII counts two."""

    default_error_messages = {"width": "不得超过 100 字符（50 汉字）"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=REASON_WIDTH, **kwargs)

    def read(self, text: str) -> str:
        if sum(1 if character.isascii() else 2 for character in text) > REASON_WIDTH:
            self.fail("width")
        return super().read(text)


class DeregisterSerializer(OfMeterSerializer):
    initNum = NumberField()
    reason = ReasonField()
    sdateTime = MomentField()


class ChangePriceSerializer(OfMeterSerializer):
    newPriceCode = TextField(max_length=64)


class ReplaceSerializer(OfMeterSerializer):
    newMeterType = ChoiceField(choices=MeterType.values)
    newMeterNo = MeterNoField()
    newCommNo = TextField(max_length=64, required=False)
    oldNum = NumberField()
    newNum = NumberField()
