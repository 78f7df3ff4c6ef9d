"""Putting commands into a meter's queue and taking them through it (R12-R14).

Everything here holds the meter's account row, the lock of the meter: who adds a command, sends the next one, or takes a
result sees the queue as it is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from commands.kinds import KINDS, VALVE_CODES, RechargeCommand, ValveCommand, request_body
from commands.models import WAITING, Cause, Command, CommandKind, CommandState, Origin
from commands.moves import move, note
from commands.reports import report_to_cis
from meters.accounts import RechargeRepeated, lock_account, recharge
from meters.models import Account, Meter, ValveState
from protocol.errors import Refused
from protocol.models import Peer
from protocol.outbox import enqueue, headend_of
from protocol.transactions import atomically
from protocol.undelivered import withdraw


class NoHeadend(Refused):
    words = _("the manufacturer has no head-end that could take the recharge to the meter")

    def __init__(self) -> None:
        super().__init__("该厂商未配置采集前端，无法下发充值")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants of a meter, and who."""

    kind: CommandKind
    payload: dict[str, Any]
    origin: Origin
    peer: Peer | None = None
    serial_no: str = ""
    requested_by: User | None = None
    replay_of: Command | None = None


@atomically
def submit(meter: Meter, request: Request, *, now: datetime) -> Command:
    """Queue a command and send it when the queue allows.

    Raises MeterUnknown when the meter has ended meanwhile, RechargeRepeated for a stream that is known, NoHeadend for a
    recharge that nobody could take to the meter.
    """
    account = lock_account(meter)
    if request.kind == CommandKind.VALVE:
        _replace_opposite(account.meter, request, now=now)
    command = _insert(account, request, now=now)
    if request.kind == CommandKind.RECHARGE and account.kept_here:
        _credit(command, now=now)
    else:
        send_next(account.meter, now=now)
    return command


def _insert(account: Account, request: Request, *, now: datetime) -> Command:
    meter = account.meter
    stream = request.payload.get("rechargeStream", "")
    travels = request.kind == CommandKind.RECHARGE and not account.kept_here
    if travels and headend_of(meter.manufacturer, meter.company) is None:
        raise NoHeadend
    try:
        with transaction.atomic():
            command = Command.objects.create(
                meter=meter,
                kind=request.kind,
                payload=request.payload,
                reference=stream,
                origin=request.origin,
                peer=request.peer,
                serial_no=request.serial_no,
                requested_by=request.requested_by,
                replay_of=request.replay_of,
                queued_at=now,
                expires_at=now + timedelta(hours=settings.COMMAND_LIFE_HOURS),
            )
    except IntegrityError:
        raise RechargeRepeated(stream) from None
    note(command, from_state=CommandState.QUEUED, cause=Cause.ASKED, detail=Origin(request.origin).value, now=now)
    return command


def _credit(command: Command, *, now: datetime) -> None:
    """Billing model 3: the balance is credited with the command, exactly once, and nothing has to reach the meter."""
    account = recharge(command.meter, amount=RechargeCommand.amount(command), stream=command.reference, now=now)
    finish(command, CommandState.SUCCEEDED, cause=Cause.CREDITED, now=now)
    if not account.in_arrears:
        open_after_arrears(account.meter, now=now)


def _replace_opposite(meter: Meter, request: Request, *, now: datetime) -> None:
    """A newer valve wish replaces a waiting opposite one."""
    queued = Command.objects.filter(meter=meter, kind=CommandKind.VALVE, state=CommandState.QUEUED)
    for command in queued.exclude(payload__valveSet=request.payload["valveSet"]):
        finish(command, CommandState.CANCELLED, cause=Cause.REPLACED, now=now)


def send_next(meter: Meter, *, now: datetime) -> None:
    """Send the first queued command when none is in flight. Without a head-end URL it waits for the next 2001 (R14)."""
    waiting = Command.objects.filter(meter=meter, state__in=WAITING).order_by("pk")
    if waiting.filter(state=CommandState.SENT).exists():
        return
    command = waiting.first()
    headend = headend_of(meter.manufacturer, meter.company)
    if command is None or headend is None:
        return
    command.meter = meter
    body = request_body(command, now=now)
    message = enqueue(
        peer=headend,
        company_id=meter.company_id,
        code="1004",
        lane=meter.pk,
        body=body,
        now=now,
        once_only=True,
    )
    command.message = message
    command.save(update_fields=["message"])
    move(command, CommandState.SENT, cause=Cause.TO_HEADEND, now=now)


def finish(command: Command, state: CommandState, *, cause: Cause, detail: str = "", now: datetime) -> None:
    """End a command, tell the CIS, and let the next one go. The meter is locked."""
    move(command, state, cause=cause, detail=detail, now=now)
    if state == CommandState.SUCCEEDED and not _credited_here(command):
        KINDS[command.kind].succeeded(command, now=now)
    report_to_cis(command, now=now)
    send_next(command.meter, now=now)


def _credited_here(command: Command) -> bool:
    return command.kind == CommandKind.RECHARGE and command.message_id is None


def cancel_waiting(meter: Meter, *, reason: str, now: datetime) -> int:
    """Cancel all that waits for a meter that ends (1002, 1009); returns how many. The meter is locked.

    What is on its way may still happen, but nobody is there to be told: the CIS learns that it is over.
    """
    waiting = list(Command.objects.filter(meter=meter, state__in=WAITING).order_by("-pk"))
    for command in waiting:
        if command.message_id is not None:
            withdraw(command.message_id, now=now)
        move(command, CommandState.CANCELLED, cause=Cause.METER_ENDED, detail=reason, now=now)
        report_to_cis(command, now=now)
    return len(waiting)


def ask_valve(
    meter: Meter, wish: ValveState, *, origin: Origin, now: datetime, ordinary: bool = False
) -> Command | None:
    """The platform's own wish (an answer of the CIS, arrears); None when that is under way or already so.

    `ordinary` tells a closing for arrears from a forced one (R8: valvecontrol 3 and 1).
    """
    valve = Command.objects.filter(meter=meter, kind=CommandKind.VALVE)
    last = valve.filter(state__in=[*WAITING, CommandState.SUCCEEDED]).order_by("-pk").first()
    if last is not None and last.state in WAITING and ValveCommand.wish(last) == wish:
        return None
    if meter.state.valve == wish and (last is None or last.state not in WAITING):
        return None
    payload = {"valveSet": VALVE_CODES[wish], "ordinary": ordinary}
    return submit(meter, Request(kind=CommandKind.VALVE, payload=payload, origin=origin), now=now)


def open_after_arrears(meter: Meter, *, now: datetime) -> None:
    """A recharge has lifted the account: open again, if the closing was for arrears (R11). The meter is locked."""
    valve = Command.objects.filter(meter=meter, kind=CommandKind.VALVE).order_by("-pk")
    last = valve.exclude(state__in=[CommandState.CANCELLED, CommandState.FAILED]).first()
    if last is None or last.origin != Origin.ARREARS or ValveCommand.wish(last) != ValveState.CLOSED:
        return
    if last.state == CommandState.QUEUED:
        finish(last, CommandState.CANCELLED, cause=Cause.ARREARS_OVER, now=now)
        return
    payload = {"valveSet": VALVE_CODES[ValveState.OPEN]}
    submit(meter, Request(kind=CommandKind.VALVE, payload=payload, origin=Origin.ARREARS), now=now)
