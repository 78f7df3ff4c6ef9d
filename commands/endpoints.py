"""1004: send a command. 1005: cancel one. 2002: a head-end reports how one ended."""

from commands.cancelling import cancel
from commands.headend import CommandUnknown, sent_command, take_result
from commands.models import CommandKind, Origin
from commands.queue import Request, submit
from commands.serializers import CancelCommandSerializer, SendCommandSerializer, TakeResultSerializer
from meters.finding import meter_of
from protocol.endpoint import Call, MessageEndpoint
from protocol.ledger import Json
from protocol.models import PeerKind


class SendCommand(MessageEndpoint):
    code = "1004"
    request_serializer = SendCommandSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        request = Request(
            kind=CommandKind(call.data["paramNo"]),
            payload=call.data["payload"],
            origin=Origin.CIS,
            peer=call.peer,
            serial_no=call.serial_no,
        )
        submit(meter, request, now=call.now)
        return call.receipt(device_id=meter.device_id)


class CancelCommand(MessageEndpoint):
    code = "1005"
    request_serializer = CancelCommandSerializer

    def handle(self, call: Call) -> Json:
        meter = meter_of(call)
        cancel(meter, peer=call.peer, send_serial_no=call.data["sendSerialNo"], now=call.now)
        return call.receipt(device_id=meter.device_id)


class TakeResult(MessageEndpoint):
    code = "2002"
    caller = PeerKind.HEADEND
    request_serializer = TakeResultSerializer

    def handle(self, call: Call) -> Json:
        data = call.data
        command = sent_command(
            data["sendSerialNo"],
            kind=data["paramNo"],
            company=call.company,
            manufacturer=call.manufacturer,
            meter_no=data["meterNo"],
            user_no=data["userNo"],
            device_id=data.get("deviceId"),
        )
        if command is None:
            meter_of(call)
            raise CommandUnknown
        take_result(command, result=data["excuteState"], now=call.now)
        return call.receipt(device_id=command.meter.device_id)
