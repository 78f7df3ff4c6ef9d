"""What comes back from a head-end: its answers to 1004 and 1005, and its 2002 (R13, R14)."""

import json
from datetime import datetime
from typing import Any

from django.db import transaction

from commands.kinds import ValveCommand
from commands.models import WAITING, Cause, Command, CommandKind, CommandState
from commands.moves import ALLOWED, move, note
from commands.queue import finish
from meters.models import Account, Meter, ValveState
from protocol.errors import Refused
from protocol.models import DeliveryState, OutboundMessage
from protocol.outbox import headend_of

# 2002's own codes.
RESULTS = {"1": CommandState.SUCCEEDED, "2": CommandState.FAILED}
# 2001's answer (R8): an ordinary closing is told from one that the CIS asked for.
OPEN, CLOSE, NOTHING_TO_DO, CLOSE_FOR_ARREARS = "0", "1", "2", "3"


class CommandUnknown(Refused):
    def __init__(self) -> None:
        super().__init__("指令不存在")


def _locked(command_id: int) -> Command:
    """The command as it is once its meter is locked. The meter may have ended: its commands' truth still counts."""
    Account.objects.select_for_update(of=("self",)).get(meter__commands=command_id)
    return Command.objects.select_related("meter__company", "meter__manufacturer", "peer").get(pk=command_id)


def read_sending(*, message: OutboundMessage, answer: dict[str, Any], now: datetime) -> None:
    """The head-end's answer to a 1004: accepted, its 2002 is awaited; refused, the command has failed.

    A message that is dead may have reached the meter all the same: its outcome stays unknown until the head-end speaks.
    """
    command = _locked(message.command.pk)
    if message.state == DeliveryState.DELIVERED:
        note(command, cause=Cause.ACCEPTED, now=now)
    elif message.state == DeliveryState.REJECTED and command.state == CommandState.SENT:
        finish(command, CommandState.FAILED, cause=Cause.REFUSED, detail=_reason(answer), now=now)
    else:
        note(command, cause=Cause.UNREACHABLE, now=now)


def read_cancellation(*, message: OutboundMessage, answer: dict[str, Any], now: datetime) -> None:
    """The head-end decides whether a command on its way is cancelled (1005, R13)."""
    command = Command.objects.filter(message__serial_no=_cancelled_serial(message)).first()
    if command is None:
        return
    command = _locked(command.pk)
    if message.state == DeliveryState.DELIVERED and command.state == CommandState.SENT:
        finish(command, CommandState.CANCELLED, cause=Cause.CANCELLED_THERE, now=now)
    else:
        note(command, cause=Cause.NOT_CANCELLED, detail=_reason(answer), now=now)


def sent_command(send_serial_no: str, *, kind: str, **meter: Any) -> Command | None:
    """The command that was sent under this serial, when its meter has these numbers; it may have ended since."""
    about = {f"meter__{name}": value for name, value in meter.items() if value is not None}
    sent = Command.objects.filter(message__serial_no=send_serial_no, kind=kind, **about)
    return sent.select_related("meter").first()


@transaction.atomic
def take_result(command: Command, *, result: str, now: datetime) -> Command:
    """A head-end's 2002: `result` is "1" done or "2" not done. Repeated, it changes nothing."""
    command = _locked(command.pk)
    state = RESULTS[result]
    if state in ALLOWED[CommandState(command.state)]:
        finish(command, state, cause=Cause.REPORTED, now=now)
    elif state != command.state:
        note(command, cause=Cause.TOO_LATE, detail=state.value, now=now)
    return command


def hand_over_valve(meter: Meter, *, now: datetime) -> str:
    """The `valvecontrol` of a 2001 answer: a waiting valve command of a meter without a head-end URL (R14).

    It stays in the answers until a later report shows that it is done. The meter is locked.
    """
    command = Command.objects.filter(meter=meter, state__in=WAITING).order_by("pk").first()
    if command is None or command.kind != CommandKind.VALVE or _travels(command, meter=meter):
        return NOTHING_TO_DO
    wish = ValveCommand.wish(command)
    if command.state == CommandState.SENT and wish == meter.state.valve and _reported_since(command, meter=meter):
        finish(command, CommandState.SUCCEEDED, cause=Cause.SEEN, now=now)
        return hand_over_valve(meter, now=now)
    if command.state == CommandState.QUEUED:
        command.handed_over_after = meter.state.reported_at
        command.save(update_fields=["handed_over_after"])
        move(command, CommandState.SENT, cause=Cause.HANDED_OVER, now=now)
    if wish == ValveState.OPEN:
        return OPEN
    return CLOSE_FOR_ARREARS if command.payload.get("ordinary") else CLOSE


def _reported_since(command: Command, *, meter: Meter) -> bool:
    before, latest = command.handed_over_after, meter.state.reported_at
    return latest is not None and (before is None or latest > before)


def _travels(command: Command, *, meter: Meter) -> bool:
    """True for a command that goes, or will go, to a head-end by 1004."""
    if command.state == CommandState.SENT:
        return command.message_id is not None
    return headend_of(meter.manufacturer, meter.company) is not None


def _cancelled_serial(message: OutboundMessage) -> str:
    return str(json.loads(message.body)["sendSerialNo"])


def _reason(answer: dict[str, Any]) -> str:
    return str(answer.get("echoMsg") or answer.get("echoCode") or "–")[:120]
