"""Cancelling commands (1005, R13) and ending those whose time is over."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from commands.headend import CommandUnknown
from commands.models import WAITING, Cause, Command, CommandState
from commands.moves import note
from commands.queue import finish
from meters.models import Account, Meter
from protocol.errors import Refused
from protocol.models import Peer
from protocol.outbox import enqueue
from protocol.transactions import atomically
from protocol.undelivered import withdraw


class CommandFinished(Refused):
    words = _("the command is over and cannot be cancelled")

    def __init__(self) -> None:
        super().__init__("指令已完成，无法取消")


class CommandUnderWay(Refused):
    """Handed over in the answer to a report: there is nobody to ask it back from (R14)."""

    words = _("the command was handed over and cannot be taken back")

    def __init__(self) -> None:
        super().__init__("指令已下发，无法取消")


@atomically
def cancel(meter: Meter, *, peer: Peer, send_serial_no: str, now: datetime) -> Command:
    """Cancel at once what is queued; ask the head-end about what was sent, whose answer decides.

    Raises CommandUnknown, CommandFinished, CommandUnderWay.
    """
    Account.objects.select_for_update().get(meter=meter)
    command = Command.objects.filter(meter=meter, peer=peer, serial_no=send_serial_no).order_by("-pk").first()
    if command is None:
        raise CommandUnknown
    command.meter, command.peer = meter, peer
    cancel_command(command, by="", now=now)
    return command


def cancel_command(command: Command, *, by: str, now: datetime) -> None:
    """The same for anybody: `by` is a user name, "" for the CIS. The meter is locked."""
    if command.state not in WAITING:
        raise CommandFinished
    if command.state == CommandState.QUEUED:
        finish(command, CommandState.CANCELLED, cause=Cause.CANCELLED, detail=by, now=now)
        return
    message = command.message
    if message is None:
        raise CommandUnderWay
    if withdraw(message.pk, now=now):
        finish(command, CommandState.CANCELLED, cause=Cause.CANCELLED_IN_TIME, detail=by, now=now)
        return
    if command.cancel_asked_at is not None:
        return
    command.cancel_asked_at = now
    command.save(update_fields=["cancel_asked_at"])
    note(command, cause=Cause.CANCEL_ASKED, detail=by, now=now)
    _ask_headend(command, now=now)


def _ask_headend(command: Command, *, now: datetime) -> None:
    """1005 with the serial under which the head-end knows the command."""
    meter, message = command.meter, command.message
    assert message is not None
    body = {
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": meter.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "sendSerialNo": message.serial_no,
        "companyCode": meter.company.code,
    }
    enqueue(peer=message.peer, company_id=meter.company_id, code="1005", lane=meter.pk, body=body, now=now)


def expire_overdue(*, now: datetime) -> int:
    """End every command whose life is over; returns how many. What was sent may still happen: a late 2002 counts."""
    overdue = Command.objects.filter(state__in=WAITING, expires_at__lte=now).order_by("pk")
    return sum(_expire(pk, meter_id, now=now) for pk, meter_id in overdue.values_list("pk", "meter_id"))


@atomically
def _expire(command_id: int, meter_id: int, *, now: datetime) -> bool:
    Account.objects.select_for_update().get(meter=meter_id)
    command = Command.objects.get(pk=command_id)
    if command.state not in WAITING:
        return False
    if command.message_id is not None:
        withdraw(command.message_id, now=now)
    finish(command, CommandState.EXPIRED, cause=Cause.OVERDUE, now=now)
    return True
