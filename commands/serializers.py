"""The bodies of 1004, 1005 and 2002 (specification 2.4.3, 2.4.4, 2.4.12)."""

from typing import Any

from commands.headend import RESULTS
from commands.kinds import KINDS
from meters.serializers import OfMeterSerializer
from protocol.fields import ChoiceField, MomentField, ObjectField, SerialField, TextField


class SendCommandSerializer(OfMeterSerializer):
    paramNo = ChoiceField(choices=tuple(KINDS))
    paramContext = ObjectField()
    sdateTime = MomentField()

    def parse(self) -> dict[str, Any]:
        data = super().parse()
        data["payload"] = KINDS[data["paramNo"]].parse(data["paramContext"])
        return data


class CancelCommandSerializer(OfMeterSerializer):
    factorNo = TextField(max_length=64, required=False)
    sendSerialNo = SerialField()


class TakeResultSerializer(OfMeterSerializer):
    sendSerialNo = SerialField()
    paramNo = ChoiceField(choices=tuple(KINDS))
    excuteState = ChoiceField(choices=tuple(RESULTS))
    sdateTime = MomentField()
