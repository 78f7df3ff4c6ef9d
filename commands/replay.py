"""Staff asking again for what did not happen: a new command that is linked to the old one."""

from datetime import datetime

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from commands.models import WAITING, Command, CommandKind, Origin
from commands.queue import Request, submit
from protocol.errors import Refused


class NotReplayable(Refused):
    """A recharge may have reached the meter unseen, and its stream is spent; a waiting command is still to come."""

    words = _("this command cannot be asked again: only valve commands can that are over")

    def __init__(self) -> None:
        super().__init__("该指令不能重发")


def replay(command: Command, *, by: User, now: datetime) -> Command:
    """A new valve command like `command`, with the staff member on record. Raises NotReplayable, MeterUnknown."""
    if command.kind != CommandKind.VALVE or command.state in WAITING:
        raise NotReplayable
    request = Request(
        kind=CommandKind.VALVE, payload=command.payload, origin=Origin.STAFF, requested_by=by, replay_of=command
    )
    return submit(command.meter, request, now=now)
