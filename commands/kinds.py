"""What a command can be (appendix one): a class per kind, with its payload, what is sent, and what success changes."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone

from commands.models import Command, CommandKind
from meters.models import MeterState, ValveState
from protocol.errors import FieldInvalid
from protocol.fields import ChoiceField, IntegerField, MomentField, NumberField, TextField, WireSerializer
from protocol.wire import compact_time, decimal_text

# 1004's own codes (R8).
VALVE_SET = {"0": ValveState.OPEN, "1": ValveState.CLOSED}
VALVE_CODES = {state: code for code, state in VALVE_SET.items()}


class Kind:
    """One kind of command. `parse` makes the payload that is kept, `data` what the head-end is sent."""

    code: ClassVar[CommandKind]
    payload_serializer: ClassVar[type[WireSerializer]]

    def parse(self, context: dict[str, Any]) -> dict[str, Any]:
        """The payload in `context`, paramContext of 1004. Raises FieldInvalid (9999)."""
        data = context.get("data")
        if not isinstance(data, dict):
            raise FieldInvalid("paramContext", "缺少 data")
        return self.payload(self.payload_serializer(data=data).parse())

    def payload(self, data: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def data(self, command: Command) -> dict[str, str]:
        return dict(command.payload)

    def succeeded(self, command: Command, *, now: datetime) -> None:
        """What the success of `command` changes here."""


class ValveSerializer(WireSerializer):
    valveSet = ChoiceField(choices=tuple(VALVE_SET))


class ValveCommand(Kind):
    code = CommandKind.VALVE
    payload_serializer = ValveSerializer

    def payload(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"valveSet": data["valveSet"]}

    def data(self, command: Command) -> dict[str, str]:
        return {"valveSet": command.payload["valveSet"]}

    @staticmethod
    def wish(command: Command) -> ValveState:
        return VALVE_SET[command.payload["valveSet"]]


class RechargeSerializer(WireSerializer):
    rechargeAmount = NumberField()
    rechargeCount = IntegerField(low=0, high=999_999_999, required=False)
    rechargeDate = MomentField(required=False)
    rechargeStream = TextField(max_length=64)


class RechargeCommand(Kind):
    code = CommandKind.RECHARGE
    payload_serializer = RechargeSerializer

    def parse(self, context: dict[str, Any]) -> dict[str, Any]:
        """The document spells the date both ways (R3)."""
        data = context.get("data")
        if isinstance(data, dict) and not data.get("rechargeDate") and data.get("recharghDate"):
            context = {**context, "data": {**data, "rechargeDate": data["recharghDate"]}}
        return super().parse(context)

    def payload(self, data: dict[str, Any]) -> dict[str, Any]:
        if data["rechargeAmount"] <= 0:
            raise FieldInvalid("rechargeAmount", "必须大于 0")
        payload = {"rechargeAmount": decimal_text(data["rechargeAmount"]), "rechargeStream": data["rechargeStream"]}
        if "rechargeCount" in data:
            payload["rechargeCount"] = str(data["rechargeCount"])
        if "rechargeDate" in data:
            payload["rechargeDate"] = timezone.localtime(data["rechargeDate"]).strftime("%Y-%m-%d %H:%M:%S")
        return payload

    @staticmethod
    def amount(command: Command) -> Decimal:
        return Decimal(command.payload["rechargeAmount"])

    def succeeded(self, command: Command, *, now: datetime) -> None:
        """The money is in the meter or in the CIS: only what 1014 shows of recharges is counted here."""
        state = MeterState.objects.select_for_update().get(meter=command.meter_id)
        state.recharged += self.amount(command)
        state.recharge_count += 1
        state.last_recharge, state.last_recharged_at = self.amount(command), now
        state.save(update_fields=["recharged", "recharge_count", "last_recharge", "last_recharged_at"])


KINDS: dict[str, Kind] = {kind.code.value: kind for kind in (ValveCommand(), RechargeCommand())}


def request_body(command: Command, *, now: datetime) -> dict[str, Any]:
    """The 1004 that a head-end gets: everything of table 2.4.3 but the serial."""
    meter = command.meter
    return {
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": meter.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "paramNo": command.kind,
        "paramContext": {"total": "1", "data": KINDS[command.kind].data(command)},
        "companyCode": meter.company.code,
        "sdateTime": compact_time(now),
    }
