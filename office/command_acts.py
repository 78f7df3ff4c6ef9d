"""What staff do to commands: asking again and cancelling, one or those chosen of a list, once, on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from commands.cancelling import cancel_command
from commands.models import WAITING, Command, CommandKind
from commands.replay import replay
from meters.models import Account
from protocol.errors import ProtocolError
from protocol.transactions import atomically
from staff.acts import Fact, name_acts, name_facts, put_on_record
from staff.once import spend
from staff.permissions import CANCEL_COMMAND, REPLAY_COMMAND

# What one confirmation of a list does at most: each command is a transaction that locks its meter.
MOST: Final = 500
_IS_WAITING: Final = Q(state__in=WAITING)


def _replay(command: Command, by: User, now: datetime) -> Command:
    return replay(command, by=by, now=now)


def _cancel(command: Command, by: User, now: datetime) -> Command:
    cancel_command(command, by=by.get_username(), now=now)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAct:
    """`able` are the commands it can be done to; `skips` say which others it is not done to, and why."""

    label: Any
    permission: str
    says: Any
    able: Q
    skips: Sequence[tuple[Any, Q]]
    do: Callable[[Command, User, datetime], Command]


ACTS: Final[dict[str, CommandAct]] = {
    "replay": CommandAct(
        label=_("Ask again"),
        permission=REPLAY_COMMAND,
        says=_("A new command like this one is put into the queue of the meter, linked to this one."),
        able=Q(kind=CommandKind.VALVE) & ~_IS_WAITING,
        skips=[
            (_("a recharge: it may have reached the meter unseen"), Q(kind=CommandKind.RECHARGE)),
            (_("still under way"), Q(kind=CommandKind.VALVE) & _IS_WAITING),
        ],
        do=_replay,
    ),
    "cancel": CommandAct(
        label=_("Cancel this command"),
        permission=CANCEL_COMMAND,
        says=_(
            "The command is taken back if it has not left; otherwise the head-end is asked, and its answer decides."
        ),
        able=_IS_WAITING,
        skips=[(_("already over"), ~_IS_WAITING)],
        do=_cancel,
    ),
}
name_acts({"command.replay": _("ask again with a new command"), "command.cancel": _("cancel the command")})
name_facts({"command.command": Fact(_("command"))})


@atomically
def perform(act: str, command: Command, *, token: str, by: User, now: datetime) -> Command:
    """Do it once and put it on record. Raises PageSent, PageInvalid, ProtocolError: then nothing has changed."""
    spend(token, user=by, purpose=f"{act}:command:{command.pk}", now=now)
    return _on_record(act, command, by=by, now=now)


@dataclass(frozen=True, slots=True)
class Done:
    """To how many it was done, and what the others refused, each with its command."""

    count: int
    refused: list[tuple[Command, str]]


def perform_all(act: str, commands: QuerySet[Command], *, token: str, by: User, now: datetime) -> Done:
    """Do it to the first MOST that it can be done to, each in a transaction of its own. Raises PageSent, PageInvalid.

    The page is spent first: if this is broken off, what is left is left, and nothing is done twice.
    """
    chosen = list(commands.filter(ACTS[act].able).select_related("meter__company").order_by("pk")[:MOST])
    spend(token, user=by, purpose=f"{act}:commands", now=now)
    done, refused = 0, []
    for command in chosen:
        try:
            _on_record(act, command, by=by, now=now)
        except ProtocolError as refusal:
            refused.append((command, refusal.told))
        else:
            done += 1
    return Done(done, refused)


@atomically
def _on_record(act: str, command: Command, *, by: User, now: datetime) -> Command:
    # The meter is locked first, so that what the record calls "before" is what the act found.
    Account.objects.select_for_update().get(meter=command.meter_id)
    command.refresh_from_db()
    before = command.state
    done = ACTS[act].do(command, by, now)
    put_on_record(
        by=by,
        act=f"command.{act}",
        target=command,
        company=command.meter.company,
        before={"state": before},
        after={"state": done.state, "command": done.pk},
    )
    return done
