"""The states of a command: one table of allowed moves and the one mover that makes them (R13)."""

from datetime import datetime
from typing import Final

from commands.models import WAITING, Cause, Command, CommandEvent, CommandState

S = CommandState

# A recharge of billing model 3 is done in the transaction that accepts it: queued -> succeeded. What a head-end reports
# after expiry is the truth, and moves the command once more.
ALLOWED: Final = {
    S.QUEUED: frozenset({S.SENT, S.SUCCEEDED, S.EXPIRED, S.CANCELLED}),
    S.SENT: frozenset({S.SUCCEEDED, S.FAILED, S.EXPIRED, S.CANCELLED}),
    S.EXPIRED: frozenset({S.SUCCEEDED, S.FAILED}),
    S.SUCCEEDED: frozenset[CommandState](),
    S.FAILED: frozenset[CommandState](),
    S.CANCELLED: frozenset[CommandState](),
}


class MoveRefused(RuntimeError):
    """The move is not in the table, or somebody else has moved the command meanwhile."""

    def __init__(self, command: Command, to_state: CommandState) -> None:
        super().__init__(f"command {command.pk} cannot go from {command.state} to {to_state}")


def move(command: Command, to_state: CommandState, *, cause: Cause, detail: str = "", now: datetime) -> None:
    """Move `command` and write the history row, in the running transaction. Raises MoveRefused."""
    from_state = CommandState(command.state)
    if to_state not in ALLOWED[from_state]:
        raise MoveRefused(command, to_state)
    changes: dict[str, object] = {"state": to_state}
    if to_state == S.SENT:
        changes["sent_at"] = now
    if to_state not in WAITING:
        changes["finished_at"] = now
    if not Command.objects.filter(pk=command.pk, state=from_state).update(**changes):
        raise MoveRefused(command, to_state)
    for name, value in changes.items():
        setattr(command, name, value)
    note(command, from_state=from_state, cause=cause, detail=detail, now=now)


def note(
    command: Command, *, cause: Cause, now: datetime, detail: str = "", from_state: CommandState | None = None
) -> None:
    """Write into the history of `command` what happened to it."""
    CommandEvent.objects.create(
        command=command,
        at=now,
        from_state=command.state if from_state is None else from_state,
        to_state=command.state,
        cause=cause,
        detail=detail[:200],
    )
