"""1005 at every stage (R13), also against a result that arrives at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from commands.headend import read_cancellation
from commands.models import Command
from protocol.delivery import deliver_due
from protocol.models import OutboundMessage
from tests.commands.conftest import make_desk
from tests.protocol.receiver import echo, receiving, success
from tests.world import build_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk():
    with receiving() as receiver:
        world = build_world()
        world.headend_peer.url = receiver.url
        world.headend_peer.save()
        world.create_price()
        desk = make_desk(world)
        OutboundMessage.objects.all().delete()
        desk.receiver = receiver
        yield desk


def test_a_queued_command_is_cancelled_at_once(desk):
    desk.valve("1", serialNo="first")
    desk.valve("1", serialNo="second")
    assert desk.cancel("second")["echoCode"] == "0000"
    assert desk.states() == ["sent", "cancelled"]
    assert [report["sendSerialNo"] for report in desk.outbound("2002")] == ["second"]
    assert desk.outbound("1005") == []


def test_a_command_that_has_not_left_is_taken_back(desk):
    desk.valve("1", serialNo="first")
    assert desk.cancel("first")["echoCode"] == "0000"
    assert desk.states() == ["cancelled"]
    deliver_due()
    assert [request.path for request in desk.receiver.received if "1004" in request.path] == []


def sent(desk):
    desk.valve("1", serialNo="first")
    deliver_due()
    assert desk.states() == ["sent"]
    return Command.objects.get().message.serial_no


@pytest.mark.parametrize(("answer", "state"), [(success, "cancelled"), (echo("9999"), "sent")])
def test_what_was_sent_is_decided_by_the_headend(desk, answer, state):
    serial = sent(desk)
    assert desk.cancel("first")["echoCode"] == "0000"
    assert desk.states() == ["sent"]
    [body] = desk.outbound("1005")
    assert body["sendSerialNo"] == serial
    assert set(body) == {"serialNo", "userNo", "deviceId", "factorNo", "meterNo", "sendSerialNo", "companyCode"}
    desk.receiver.answer = answer
    deliver_due()
    assert desk.states() == [state]
    assert len(desk.outbound("2002")) == (1 if state == "cancelled" else 0)


def test_asking_twice_asks_the_headend_once(desk):
    sent(desk)
    desk.cancel("first")
    assert desk.cancel("first")["echoCode"] == "0000"
    assert len(desk.outbound("1005")) == 1


def test_a_finished_command_cannot_be_cancelled(desk):
    desk.result(sent(desk))
    assert desk.cancel("first") == {"echoCode": "9999", "echoMsg": "指令已完成，无法取消"}
    assert desk.states() == ["succeeded"]
    assert desk.cancel("nothing") == {"echoCode": "9999", "echoMsg": "指令不存在"}


def test_another_peers_command_is_unknown(desk):
    desk.valve("1", serialNo="first")
    Command.objects.update(peer=desk.world.headend_peer)
    assert desk.cancel("first") == {"echoCode": "9999", "echoMsg": "指令不存在"}
    assert desk.states() == ["sent"]


def test_the_manufacturer_may_be_left_out(desk):
    desk.valve("1", serialNo="first")
    assert desk.cancel("first", factorNo="")["echoCode"] == "0000"
    assert desk.states() == ["cancelled"]


def test_a_cancellation_that_races_the_result_ends_in_one_state(desk):
    """The head-end says yes to the cancellation while its own result is under way."""
    for _ in range(8):
        Command.objects.filter(state="sent").update(state="failed")
        desk.valve("1", serialNo=f"race{_}")
        deliver_due()
        command = Command.objects.get(serial_no=f"race{_}")
        desk.cancel(command.serial_no)
        message = OutboundMessage.objects.get(code="1005", body__contains=command.message.serial_no)
        message.state = "delivered"
        before = len(desk.outbound("2002"))

        def cancelled(message=message):
            try:
                read_cancellation(message=message, answer={"echoCode": "0000"}, now=timezone.now())
            finally:
                connection.close()

        def reported(serial=command.message.serial_no):
            try:
                return desk.result(serial)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            works = [threads.submit(reported), threads.submit(in_transaction, cancelled)]
            assert works[0].result()["echoCode"] == "0000"
            works[1].result()
        command.refresh_from_db()
        assert command.state in ("cancelled", "succeeded")
        assert [event.to_state for event in command.events.all()].count("sent") >= 1
        assert len(desk.outbound("2002")) == before + 1


def in_transaction(work):
    from django.db import transaction

    with transaction.atomic():
        work()
