"""The bodies of 1001 and 1014 (specification 2.4.1, 2.4.9)."""

from meters.models import BillingModel, CustomerType, MeterType, PayMode
from protocol.fields import (
    ChoiceField,
    MessageSerializer,
    MomentField,
    NumberField,
    PatternField,
    TextField,
)


class MeterNoField(PatternField):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(pattern=r"[0-9]{12}", reason="必须是 12 位数字", **kwargs)


class OfMeterSerializer(MessageSerializer):
    """What every later message about one meter has."""

    userNo = TextField(max_length=17)
    deviceId = TextField(max_length=64, required=False)
    meterNo = TextField(max_length=12)


class RegisterMeterSerializer(MessageSerializer):
    userNo = TextField(max_length=17)
    username = TextField(max_length=100, required=False)
    deviceId = TextField(max_length=64, required=False)
    meterType = ChoiceField(choices=MeterType.values)
    meterNo = MeterNoField()
    commNo = TextField(max_length=64, required=False)
    initNum = NumberField()
    billingModel = ChoiceField(choices=BillingModel.values)
    payModel = ChoiceField(choices=PayMode.values)
    overdraft = NumberField(required=False)
    initCycle = NumberField(required=False)
    sdateTime = MomentField()
    priceCode = TextField(max_length=64)
    address = TextField(max_length=255, required=False)
    phoneNum = TextField(max_length=32, required=False)
    customerType = ChoiceField(choices=CustomerType.values, required=False)
