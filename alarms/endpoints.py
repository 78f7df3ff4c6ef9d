"""2003: a head-end reports an alarm."""

from datetime import timedelta

from django.conf import settings

from alarms.models import AlarmType, Priority, Source
from alarms.serializers import AlarmSerializer
from alarms.services import Sighting, raise_alarm
from meters.finding import meter_of
from protocol.endpoint import Call, MessageEndpoint, success
from protocol.errors import FieldInvalid
from protocol.ledger import Json
from protocol.models import PeerKind


class TakeAlarm(MessageEndpoint):
    code = "2003"
    caller = PeerKind.HEADEND
    request_serializer = AlarmSerializer

    def handle(self, call: Call) -> Json:
        data = call.data
        if data["sdateTime"] > call.now + timedelta(seconds=settings.READING_FUTURE_TOLERANCE_SECONDS):
            raise FieldInvalid("sdateTime", "不能晚于当前时间")
        sighting = Sighting(
            type=AlarmType(data["alarmType"]),
            priority=Priority(int(data["alarmPriority"])),
            source=Source.HEADEND,
            at=data["sdateTime"],
        )
        raise_alarm(meter_of(call), sighting, content=data["alarmContent"], now=call.now)
        return success("告警上报成功")
