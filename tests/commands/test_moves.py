"""The states of a command: every allowed move is made and told, every other one is refused (R13)."""

import itertools

import pytest
from django.utils import timezone

from commands.models import Cause, Command, CommandEvent, CommandState
from commands.moves import ALLOWED, MoveRefused, move

MOVES = {
    ("queued", "sent"),
    ("queued", "succeeded"),
    ("queued", "expired"),
    ("queued", "cancelled"),
    ("sent", "succeeded"),
    ("sent", "failed"),
    ("sent", "expired"),
    ("sent", "cancelled"),
    ("expired", "succeeded"),
    ("expired", "failed"),
}


@pytest.fixture
def command(priced_world):
    priced_world.register()
    now = timezone.now()
    meter = priced_world.company.meters.get()
    return Command.objects.create(
        meter=meter, kind="03", payload={"valveSet": "1"}, origin="staff", queued_at=now, expires_at=now
    )


def test_the_table_is_that_of_the_ruling():
    assert {(start.value, end.value) for start, ends in ALLOWED.items() for end in ends} == MOVES


@pytest.mark.parametrize(("start", "end"), list(itertools.product(CommandState.values, repeat=2)))
def test_every_move(command, start, end):
    Command.objects.update(state=start)
    command.refresh_from_db()
    if (start, end) in MOVES:
        move(command, CommandState(end), cause=Cause.REPORTED, now=timezone.now())
        stored = Command.objects.get()
        assert stored.state == end
        assert (stored.finished_at is None) == (end == "sent")
        assert CommandEvent.objects.values_list("from_state", "to_state", "cause").get() == (start, end, "reported")
    else:
        with pytest.raises(MoveRefused):
            move(command, CommandState(end), cause=Cause.REPORTED, now=timezone.now())
        assert Command.objects.get().state == start
        assert not CommandEvent.objects.exists()


def test_a_move_that_somebody_else_has_made_is_refused(command):
    Command.objects.update(state="cancelled")
    with pytest.raises(MoveRefused):
        move(command, CommandState.SENT, cause=Cause.REPORTED, now=timezone.now())
    assert Command.objects.get().state == "cancelled"
    assert not CommandEvent.objects.exists()
