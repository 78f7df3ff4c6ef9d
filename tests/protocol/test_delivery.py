"""The outbox: delivered at least once, in order per lane, with the same serial and body at every try (R15)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from protocol import lanes, recording, shares, undelivered
from protocol.breaker import RESULTS_BEFORE_PAUSE
from protocol.delivery import deliver_due
from protocol.models import BreakerState, DeliveryState, OutboundAttempt, OutboundLane, OutboundMessage, PeerHealth
from protocol.outbox import enqueue
from protocol.sending import Courier, Outcome, Parcel
from protocol.signature import read_credentials, token_matches
from protocol.undelivered import send_again
from protocol.verdicts import RETRY_AFTER_SECONDS, retry_at
from tests.protocol.receiver import echo, receiving, slowly, success

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver(world):
    with receiving() as running:
        world.cis_peer.url = running.url
        world.cis_peer.save()
        yield running


def put(world, *, lane=1, code="2003", **body):
    return enqueue(
        peer=world.cis_peer, company_id=world.company.pk, code=code, lane=lane, body=body, now=timezone.now()
    )


def make_due():
    OutboundLane.objects.update(due_at=timezone.now())


def states():
    return list(OutboundMessage.objects.order_by("id").values_list("state", flat=True))


def test_a_message_is_posted_signed_to_its_path(world, receiver):
    message = put(world, code="2001", readNum="1.5", userNo="用户")
    assert deliver_due() == 1
    [request] = receiver.received
    assert request.path == "/api/collect/meter/2001"
    assert request.body == {"serialNo": message.serial_no, "readNum": "1.5", "userNo": "用户"}
    assert request.headers["Content-Type"] == "application/json;charset=utf-8"
    credentials = read_credentials(token=request.headers["AccessToken"], authorization=request.headers["Authorization"])
    assert credentials.app_code == world.cis.app_code
    assert token_matches(credentials, app_secret="cis-secret")
    message.refresh_from_db()
    assert (message.state, message.tries, len(message.serial_no)) == (DeliveryState.DELIVERED, 1, 32)
    attempt = message.attempts.get()
    assert (attempt.http_status, attempt.echo_code, attempt.error) == (200, "0000", "")
    assert attempt.answer == '{"echoCode": "0000"}'


def test_zero_counts_as_success_too(world, receiver):
    receiver.answer = lambda request: (200, {}, b'{"echoCode": 0}')
    put(world)
    deliver_due()
    assert states() == [DeliveryState.DELIVERED]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_a_failing_peer_is_tried_again_with_the_same_serial_and_body(world, receiver, status):
    receiver.answer = lambda request: (status, {}, b"later")
    put(world, readNum="1")
    assert deliver_due() == 1
    assert states() == [DeliveryState.PENDING]
    receiver.answer = success
    assert deliver_due() == 0, "not due before its wait is over"
    make_due()
    assert deliver_due() == 1
    assert states() == [DeliveryState.DELIVERED]
    assert receiver.received[0].body == receiver.received[1].body


@pytest.mark.parametrize(
    "answer", [echo("9995"), lambda request: (200, {}, b"<html>garbage"), lambda r: (200, {}, b"[]")]
)
def test_unavailable_and_garbage_are_tried_again(world, receiver, answer):
    receiver.answer = answer
    put(world)
    deliver_due()
    assert states() == [DeliveryState.PENDING]


@pytest.mark.parametrize("answer", [echo("9999"), echo("0103"), echo("9999", status=400), lambda r: (404, {}, b"")])
def test_a_refusal_is_final_until_sent_again(world, receiver, answer):
    receiver.answer = answer
    message = put(world)
    deliver_due()
    assert states() == [DeliveryState.REJECTED]
    receiver.answer = success
    assert send_again(OutboundMessage.objects.all(), now=timezone.now()) == 1
    deliver_due()
    assert states() == [DeliveryState.DELIVERED]
    assert receiver.serials() == [message.serial_no] * 2


def test_a_redirect_is_not_followed(world, receiver):
    receiver.answer = lambda request: (302, {"Location": receiver.url + "/elsewhere"}, b"")
    put(world)
    deliver_due()
    assert [request.path for request in receiver.received] == ["/api/collect/meter/2003"]
    assert states() == [DeliveryState.REJECTED]


def test_an_endless_answer_is_cut_off(world, receiver):
    receiver.answer = lambda request: (200, {}, b"x" * 1_000_000)
    put(world)
    deliver_due()
    attempt = OutboundAttempt.objects.get()
    assert attempt.error == "ValueError: answer larger than 64 KiB"
    assert states() == [DeliveryState.PENDING]


def test_a_slow_peer_is_given_up_after_the_time_out(world, receiver, settings):
    settings.OUTBOX_TOTAL_TIMEOUT_SECONDS = 0.2
    receiver.answer = slowly(0.6)
    put(world)
    deliver_due()
    assert OutboundAttempt.objects.get().error.startswith("TimeoutError")
    assert states() == [DeliveryState.PENDING]


def test_nobody_listening_is_tried_again(world):
    world.cis_peer.url = "http://127.0.0.1:9"
    world.cis_peer.save()
    put(world)
    deliver_due()
    attempt = OutboundAttempt.objects.get()
    assert attempt.http_status is None
    assert attempt.error.startswith("ClientConnectorError")
    assert states() == [DeliveryState.PENDING]


def test_the_waits_are_those_of_the_ruling_and_then_the_message_is_dead(world, receiver):
    now = timezone.now()
    for tries, seconds in enumerate(RETRY_AFTER_SECONDS, start=1):
        wait = (retry_at(tries=tries, now=now) - now).total_seconds()
        assert seconds * 0.9 <= wait <= seconds * 1.1
    assert RETRY_AFTER_SECONDS == (10, 60, 300, 1800, 7200, 18000, 36000, 36000)
    assert retry_at(tries=9, now=now) is None

    receiver.answer = lambda request: (500, {}, b"")
    put(world)
    for _ in range(9):
        make_due()
        deliver_due()
    assert states() == [DeliveryState.DEAD]
    assert OutboundMessage.objects.get().tries == 9
    assert len(set(receiver.serials())) == 1


def test_messages_of_a_lane_go_one_after_another(world, receiver):
    first, second = put(world, lane=1), put(world, lane=1)
    other = put(world, lane=2)
    receiver.answer = lambda request: (500, {}, b"")
    deliver_due()
    assert sorted(receiver.serials()) == sorted([first.serial_no, other.serial_no])
    receiver.answer = success
    make_due()
    deliver_due()
    assert receiver.serials()[2:].index(first.serial_no) < receiver.serials()[2:].index(second.serial_no)
    assert states() == [DeliveryState.DELIVERED] * 3


def test_a_rejected_message_frees_the_next_of_its_lane(world, receiver):
    first, second = put(world, lane=1), put(world, lane=1)
    receiver.answer = lambda request: (
        echo("9999")(request) if request.body["serialNo"] == first.serial_no else success(request)
    )
    deliver_due()
    assert states() == [DeliveryState.REJECTED, DeliveryState.DELIVERED]
    assert receiver.serials() == [first.serial_no, second.serial_no]


def claim(*, now):
    return shares.plan(busy=Counter(), now=now).claimed


def test_a_claim_is_a_lease(world, receiver, settings):
    settings.OUTBOX_LEASE_SECONDS = 60
    put(world)
    now = timezone.now()
    assert len(claim(now=now)) == 1
    assert claim(now=now + timedelta(seconds=59)) == []
    assert len(claim(now=now + timedelta(seconds=61))) == 1


def carry(world, claimed):
    """What a courier brings back of these lanes."""
    with Courier(reads=lambda outcome: outcome, goes_on=lambda outcome: True) as courier:
        courier.carry([Parcel(lane, world.cis_peer) for lane in claimed])
        items = [courier.results.get(timeout=10) for lane in claimed for _ in (*lane.mail, "end")]
    return [item for item in items if isinstance(item, Outcome)]


def test_a_sender_that_reports_late_does_not_undo_what_another_finished(world, receiver):
    put(world)
    receiver.answer = lambda request: (500, {}, b"")
    [lane] = claim(now=timezone.now())
    [late] = carry(world, [lane])
    receiver.answer = success
    make_due()
    deliver_due()
    recording.record([recording.result_of(late)], now=timezone.now())
    message = OutboundMessage.objects.get()
    assert (message.state, message.tries, message.attempts.count()) == (DeliveryState.DELIVERED, 1, 2)


def test_a_sender_that_lost_its_lane_does_not_let_go_of_it_for_the_new_holder(world, receiver):
    put(world)
    now = timezone.now()
    [lost] = claim(now=now)
    OutboundLane.objects.update(due_at=now)
    [held] = claim(now=now)
    assert lanes.release([lanes.Done(lost, emptied=True, due_at=now)]) == []
    assert OutboundLane.objects.get().holder == held.holder
    assert lanes.release([lanes.Done(held, emptied=True, due_at=now)]) == []
    assert not OutboundLane.objects.exists()


def test_a_peer_that_keeps_failing_is_paused_without_spending_tries(world, receiver):
    for lane in range(50):
        put(world, lane=lane)
    receiver.answer = lambda request: (500, {}, b"")
    deliver_due()
    sent = len(receiver.received)
    assert RESULTS_BEFORE_PAUSE <= sent < 50
    assert PeerHealth.objects.get().state == BreakerState.OPEN
    make_due()
    assert deliver_due() == 0
    assert len(receiver.received) == sent
    assert set(OutboundMessage.objects.values_list("tries", flat=True)) == {0, 1}

    PeerHealth.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert deliver_due() == 1, "one message shows whether the peer is back"
    assert PeerHealth.objects.get().paused_until > timezone.now() + timedelta(seconds=20)

    receiver.answer = success
    PeerHealth.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert deliver_due() == 50, "what had failed need not wait any longer"
    assert set(states()) == {DeliveryState.DELIVERED}
    health = PeerHealth.objects.get()
    assert (health.state, health.openings, health.paused_until) == (BreakerState.CLOSED, 0, None)


def test_a_disabled_peer_keeps_its_messages(world, receiver):
    world.cis_peer.is_active = False
    world.cis_peer.save()
    put(world)
    assert deliver_due() == 0
    world.cis_peer.is_active = True
    world.cis_peer.save()
    assert deliver_due() == 1


def test_the_deliver_command_says_how_many_it_sent(world, receiver, capsys):
    put(world, lane=1)
    put(world, lane=2)
    call_command("deliver")
    assert capsys.readouterr().out == "2 messages sent\n"


def test_what_must_not_be_done_twice_cannot_be_sent_again(world, receiver):
    receiver.answer = echo("9999")
    message = {"code": "2003", "lane": 1, "body": {}, "now": timezone.now()}
    enqueue(peer=world.cis_peer, company_id=world.company.pk, once_only=True, **message)
    deliver_due()
    assert send_again(OutboundMessage.objects.all(), now=timezone.now()) == 0
    assert states() == [DeliveryState.REJECTED]


def test_a_message_is_taken_back_only_before_anybody_has_tried_to_send_it(world, receiver):
    first, second = put(world, lane=1), put(world, lane=2)
    assert undelivered.withdraw(first.pk, now=timezone.now())
    assert not undelivered.withdraw(first.pk, now=timezone.now())
    assert deliver_due() == 1
    assert receiver.serials() == [second.serial_no]
    assert not undelivered.withdraw(second.pk, now=timezone.now())
    assert states() == [DeliveryState.WITHDRAWN, DeliveryState.DELIVERED]


def test_a_claimed_message_is_not_taken_back(world, receiver):
    message = put(world)
    claim(now=timezone.now())
    assert not undelivered.withdraw(message.pk, now=timezone.now())
    make_due()
    assert not undelivered.withdraw(message.pk, now=timezone.now()), "the worker may have died after sending"


def test_eight_senders_at_once_keep_every_lane_in_order_and_send_each_message_once(world, receiver, settings):
    settings.OUTBOX_BATCH = 5
    receiver.answer = slowly(0.005)
    lanes = {lane: [put(world, lane=lane).serial_no for _ in range(20)] for lane in range(1, 9)}

    def send(_):
        try:
            return deliver_due()
        finally:
            connection.close()

    for _ in range(20):
        with ThreadPoolExecutor(8) as threads:
            sent = sum(threads.map(send, range(8)))
        if not sent:
            break
    assert set(states()) == {DeliveryState.DELIVERED}
    assert len(receiver.serials()) == 160
    for serials in lanes.values():
        assert [serial for serial in receiver.serials() if serial in set(serials)] == serials
