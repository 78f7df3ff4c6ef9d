"""The life of an alarm: every move, allowed or not, and who and when."""

from datetime import datetime

import pytest

from alarms.models import Alarm, AlarmState
from alarms.services import MOVES, MoveRefused, acknowledge, clear, clear_all_of
from tests.admin.rows import make_alarm, make_person
from tests.alarms.told import alarm, alarms

NOW = datetime.fromisoformat("2026-02-02T08:00:00+08:00")
OPEN, ACKNOWLEDGED, CLEARED = AlarmState
ALLOWED = {(OPEN, ACKNOWLEDGED), (OPEN, CLEARED), (ACKNOWLEDGED, CLEARED)}


def move(alarm, to_state, person):
    if to_state == ACKNOWLEDGED:
        acknowledge(alarm, by=person, now=NOW)
    else:
        clear(alarm, by=person, because="修好了", now=NOW)


def test_the_table_names_every_state_and_nothing_else_is_allowed():
    assert {(source, target) for source, targets in MOVES.items() for target in targets} == ALLOWED
    assert set(MOVES) == set(AlarmState)


@pytest.mark.parametrize("source", list(AlarmState))
@pytest.mark.parametrize("target", [ACKNOWLEDGED, CLEARED])
def test_every_move(meter, source, target):
    alarm, person = make_alarm(meter, state=source), make_person()
    before = Alarm.objects.values().get()
    if (source, target) in ALLOWED:
        move(alarm, target, person)
        kept = Alarm.objects.get()
        assert (kept.state, alarm.state) == (target, target)
        who = (kept.acknowledged_by, kept.acknowledged_at) if target == ACKNOWLEDGED else (kept.cleared_by, NOW)
        assert who == (person, NOW)
        assert kept.cleared_because == ("修好了" if target == CLEARED else "")
    else:
        with pytest.raises(MoveRefused, match=f"alarm {alarm.pk} cannot go from {source} to {target}"):
            move(alarm, target, person)
        assert Alarm.objects.values().get() == before


def test_what_somebody_else_has_cleared_meanwhile_does_not_move_again(meter):
    mine, person = make_alarm(meter), make_person()
    clear(Alarm.objects.get(), by=None, because="恢复", now=NOW)
    with pytest.raises(MoveRefused):
        acknowledge(mine, by=person, now=NOW)
    kept = Alarm.objects.get()
    assert (kept.state, kept.cleared_by, kept.acknowledged_by) == ("cleared", None, None)


def test_a_repeat_of_an_acknowledged_alarm_counts_and_leaves_it_acknowledged(world, meter):
    alarm(world)
    acknowledge(Alarm.objects.get(), by=make_person(), now=NOW)
    alarm(world)
    assert alarms() == [("05", "acknowledged", 2)]


def test_a_meter_that_ends_takes_its_alarms_along(world, meter):
    make_alarm(meter, type="02")
    make_alarm(meter, type="05", state=ACKNOWLEDGED)
    make_alarm(meter, type="06", state=CLEARED)
    world.register("188011110129")
    alarm(world, meterNo="188011110129", userNo="188011110129")
    clear_all_of(meter, because="拆表", now=NOW)
    kept = Alarm.objects.order_by("id").values_list("type", "state", "cleared_because")
    assert list(kept) == [
        ("02", "cleared", "拆表"),
        ("05", "cleared", "拆表"),
        ("06", "cleared", ""),
        ("05", "open", ""),
    ]
