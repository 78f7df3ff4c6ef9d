"""R14: a valve command for a manufacturer without a head-end URL travels in the answer to a report."""

from datetime import timedelta

import pytest
from django.utils import timezone

from commands.models import Command


def report(desk, minutes, valve="2"):
    """A report so many minutes ago: its valvecontrol."""
    moment = timezone.now() - timedelta(minutes=minutes)
    answer = desk.world.report(moment, str(1000 - minutes), valveState=valve)
    assert answer["echoCode"] == "0000", answer
    return answer["valvecontrol"]


def test_it_is_handed_over_until_a_report_shows_it_done(desk):
    assert report(desk, 60) == "2"
    desk.valve("1", serialNo="close")
    assert desk.states() == ["queued"]
    assert report(desk, 50) == "1"
    assert desk.states() == ["sent"]
    assert report(desk, 40) == "1"
    assert report(desk, 30, valve="3") == "2"
    assert desk.states() == ["succeeded"]
    [told] = desk.outbound("2002")
    assert (told["sendSerialNo"], told["excuteState"]) == ("close", "1")


def test_opening_has_its_own_code(desk):
    desk.valve("0")
    assert report(desk, 50, valve="3") == "0"
    assert report(desk, 40, valve="2") == "2"
    assert desk.states() == ["succeeded"]


def test_the_next_one_follows_in_the_same_answer(desk):
    desk.valve("1")
    report(desk, 50)
    desk.valve("0")
    assert desk.states() == ["sent", "queued"]
    assert report(desk, 40, valve="3") == "0"
    assert desk.states() == ["succeeded", "sent"]


def test_what_was_handed_over_cannot_be_asked_back(desk):
    desk.valve("1", serialNo="close")
    report(desk, 50)
    assert desk.cancel("close") == {"echoCode": "9999", "echoMsg": "指令已下发，无法取消"}
    assert desk.states() == ["sent"]


def test_a_repeated_report_gets_the_stored_answer_and_moves_nothing(desk):
    desk.valve("1")
    moment = timezone.now() - timedelta(minutes=5)
    first = desk.world.report(moment, "10", serialNo="again")
    again = desk.world.report(moment, "10", serialNo="again")
    assert first == again
    assert first["valvecontrol"] == "1"
    assert len(desk.story()) == 2


@pytest.mark.parametrize("valve", ["2", "9"])
def test_a_valve_that_is_not_closed_is_asked_again(desk, valve):
    desk.valve("1")
    report(desk, 50)
    assert report(desk, 40, valve=valve) == "1"
    assert Command.objects.get().state == "sent"


def test_a_report_from_before_the_hand_over_proves_nothing(desk):
    """The valve is said to be closed already: only what is reported later counts."""
    report(desk, 60, valve="3")
    desk.valve("1")
    assert report(desk, 50, valve="3") == "1"
    assert report(desk, 55, valve="3") == "1"
    assert desk.states() == ["sent"]
    assert report(desk, 40, valve="3") == "2"
    assert desk.states() == ["succeeded"]
