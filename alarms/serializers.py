"""The body of 2003 (specification 2.4.13)."""

from alarms.models import AlarmType, Priority
from meters.serializers import OfMeterSerializer
from protocol.fields import ChoiceField, MomentField, TextField


class AlarmSerializer(OfMeterSerializer):
    alarmType = ChoiceField(choices=AlarmType.values)
    alarmContent = TextField(max_length=255)
    alarmPriority = ChoiceField(choices=[str(priority) for priority in Priority.values])
    sdateTime = MomentField()
