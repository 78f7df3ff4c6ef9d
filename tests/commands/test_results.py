"""2002 from a head-end: its word ends a command; repeated, late, unknown or misdirected it does no harm (R13)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from commands.cancelling import expire_overdue
from commands.models import Command
from tests.commands.conftest import make_desk


@pytest.fixture
def desk(headend, priced_world):
    desk = make_desk(priced_world)
    desk.valve("1", serialNo="cis-1")
    return desk


def sent_serial(serial_no="cis-1"):
    return Command.objects.get(serial_no=serial_no).message.serial_no


@pytest.mark.parametrize(("result", "state"), [("1", "succeeded"), ("2", "failed")])
def test_the_result_ends_the_command_and_reaches_the_cis(desk, result, state):
    answer = desk.result(sent_serial(), result)
    assert answer["echoCode"] == "0000"
    assert desk.states() == [state]
    [report] = desk.outbound("2002")
    assert (report["sendSerialNo"], report["excuteState"], report["paramNo"]) == ("cis-1", result, "03")


def last_cause():
    return Command.objects.get().events.values_list("cause", "detail").last()


def test_the_same_result_under_another_serial_changes_nothing(desk):
    for _ in range(3):
        assert desk.result(sent_serial())["echoCode"] == "0000"
    assert desk.states() == ["succeeded"]
    assert len(desk.outbound("2002")) == 1


def test_a_contradiction_is_noted_and_changes_nothing(desk):
    desk.result(sent_serial(), "1")
    assert desk.result(sent_serial(), "2")["echoCode"] == "0000"
    assert desk.states() == ["succeeded"]
    assert last_cause() == ("too_late", "failed")
    assert len(desk.outbound("2002")) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"send_serial_no": "never-sent"}, "指令不存在"),
        ({"send_serial_no": "cis-1"}, "指令不存在"),
        ({"param_no": "05"}, "指令不存在"),
        ({"state": "3"}, "excuteState 的值 3 无效"),
        ({"state": ""}, "excuteState 不能为空"),
        ({"userNo": "nobody"}, "用户不存在"),
    ],
)
def test_a_result_that_fits_nothing_is_refused_and_changes_nothing(desk, fields, message):
    arguments = {"send_serial_no": sent_serial(), **fields}
    assert desk.result(**arguments) == {"echoCode": "9999", "echoMsg": message}
    assert desk.states() == ["sent"]
    assert desk.outbound("2002") == []


def test_a_result_for_another_meter_is_refused(desk):
    desk.world.register("188011110129")
    other = {"userNo": "188011110129", "meterNo": "188011110129"}
    assert desk.result(sent_serial(), **other) == {"echoCode": "9999", "echoMsg": "指令不存在"}
    assert desk.states() == ["sent"]


@pytest.mark.parametrize(("result", "state"), [("1", "succeeded"), ("2", "failed")])
def test_a_result_after_expiry_still_records_the_truth(desk, result, state):
    assert expire_overdue(now=timezone.now() + timedelta(hours=71)) == 0
    assert expire_overdue(now=timezone.now() + timedelta(hours=73)) == 1
    assert desk.states() == ["expired"]
    assert desk.outbound("2002")[0]["excuteState"] == "2"
    desk.result(Command.objects.get().message.serial_no, result)
    assert desk.states() == [state]
    assert [report["excuteState"] for report in desk.outbound("2002")] == ["2", result]


def test_what_expires_unsent_is_never_sent(desk):
    message = Command.objects.get().message
    expire_overdue(now=timezone.now() + timedelta(hours=73))
    message.refresh_from_db()
    assert message.state == "withdrawn"


def test_an_expired_command_frees_the_next(desk):
    desk.valve("1", serialNo="cis-2")
    first = Command.objects.get(serial_no="cis-1")
    Command.objects.filter(pk=first.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expire_overdue(now=timezone.now()) == 1
    assert desk.states() == ["expired", "sent"]


def test_a_result_for_a_cancelled_command_is_noted(desk):
    serial = sent_serial()
    Command.objects.update(state="cancelled")
    assert desk.result(serial)["echoCode"] == "0000"
    assert desk.states() == ["cancelled"]
    assert last_cause() == ("too_late", "succeeded")


def test_the_truth_about_a_meter_that_has_ended_is_taken(desk):
    serial = sent_serial()
    desk.world.cis.send("1002", **desk.names(), initNum="5", reason="拆表", sdateTime="2026-01-01")
    assert desk.states() == ["cancelled"]
    assert desk.result(serial)["echoCode"] == "0000"
    assert desk.result("unknown") == {"echoCode": "9999", "echoMsg": "用户不存在"}
    assert last_cause() == ("too_late", "succeeded")
