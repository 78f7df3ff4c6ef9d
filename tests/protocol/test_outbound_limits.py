"""What holds a peer back: staff, its limit, its rate; and readers of answers that break."""

import threading

import pytest
from django.utils import timezone

from protocol import breaker, undelivered
from protocol.delivery import deliver_due
from protocol.models import DeliveryState, OutboundAttempt, OutboundLane, OutboundMessage, PeerHealth
from protocol.outbox import enqueue
from protocol.sending import FEW_CARRIERS
from tests.protocol.receiver import echo, receiving, slowly, success

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver(world):
    with receiving() as running:
        world.cis_peer.url = running.url
        world.cis_peer.save()
        yield running


def put(world, *, lane=1, code="2003", **more):
    return enqueue(
        peer=world.cis_peer,
        company_id=world.company.pk,
        code=code,
        lane=lane,
        body={},
        now=timezone.now(),
        **more,
    )


def states():
    return list(OutboundMessage.objects.order_by("id").values_list("state", flat=True))


def test_a_peer_that_staff_paused_is_sent_nothing_until_it_is_resumed(world, receiver):
    put(world)
    assert breaker.pause(world.cis_peer, by="li", reason="maintenance", now=timezone.now())
    assert not breaker.pause(world.cis_peer, by="wang", now=timezone.now())
    assert deliver_due() == 0
    health = PeerHealth.objects.get()
    assert (health.held_by, health.held_reason) == ("li", "maintenance")
    assert breaker.resume_peer(world.cis_peer, now=timezone.now())
    assert not breaker.resume_peer(world.cis_peer, now=timezone.now())
    assert deliver_due() == 1
    assert states() == [DeliveryState.DELIVERED]


def test_a_peer_gets_no_more_requests_at_once_than_it_allows(world, receiver):
    world.cis_peer.max_concurrency = 2
    world.cis_peer.save()
    lock, now_open, most = threading.Lock(), [0], [0]

    def answer(request):
        with lock:
            now_open[0] += 1
            most[0] = max(most[0], now_open[0])
        result = slowly(0.02)(request)
        with lock:
            now_open[0] -= 1
        return result

    receiver.answer = answer
    for lane in range(10):
        put(world, lane=lane)
    assert deliver_due() == 10
    assert most == [2]


def test_a_rate_is_kept(world, receiver):
    world.cis_peer.max_per_second = 20
    world.cis_peer.save()
    for lane in range(12):
        put(world, lane=lane)
    began = timezone.now()
    assert deliver_due() == 12
    assert (timezone.now() - began).total_seconds() >= 0.45, "two at once, then one every 50 ms"
    assert set(states()) == {DeliveryState.DELIVERED}


def test_a_reader_that_breaks_costs_only_its_own_message(world, receiver, settings):
    settings.OUTBOX_ANSWER_READERS = {"2003": "tests.protocol.readers.breaks_on_lane_two"}
    settings.OUTBOX_BATCH_ANSWER_READERS = {"2003": "tests.protocol.readers.breaks_on_all"}
    for lane in (1, 2, 3):
        put(world, lane=lane)
    deliver_due()
    assert states() == [DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.DELIVERED]
    assert OutboundAttempt.objects.get(message__lane=2).error == "AnswerNotTaken"
    assert OutboundMessage.objects.get(lane=2).tries == 1
    assert OutboundLane.objects.get().due_at > timezone.now()
    assert PeerHealth.objects.get().failure_rate == 0, "the peer did nothing wrong"


def test_stuck_messages_are_counted_sent_again_and_cancelled(world, receiver):
    receiver.answer = echo("9999")
    for lane in (1, 2):
        put(world, lane=lane)
    put(world, lane=3, once_only=True)
    deliver_due()
    counted = undelivered.count_by_reason(undelivered.stuck())
    assert sorted((row["once_only"], row["state"], row["messages"]) for row in counted) == [
        (False, "rejected", 2),
        (True, "rejected", 1),
    ]
    assert undelivered.last_reason(undelivered.stuck()[0]) == "9999"
    assert undelivered.cancel(undelivered.stuck().filter(lane=1), now=timezone.now()) == 1
    assert undelivered.send_again(undelivered.stuck(), now=timezone.now()) == 1
    receiver.answer = success
    assert deliver_due() == 1
    assert states() == [DeliveryState.WITHDRAWN, DeliveryState.DELIVERED, DeliveryState.REJECTED]


def test_a_dead_peer_delays_no_other(world, receiver):
    for lane in range(30):
        enqueue(
            peer=world.headend_peer,
            company_id=world.company.pk,
            code="1001",
            lane=lane,
            body={},
            now=timezone.now(),
        )
    world.headend_peer.url = "http://127.0.0.1:9"
    world.headend_peer.save()
    put(world)
    deliver_due()
    assert OutboundMessage.objects.get(peer=world.cis_peer).state == DeliveryState.DELIVERED
    assert OutboundMessage.objects.filter(peer=world.headend_peer, state="pending").count() == 30


def test_a_peer_that_is_slow_gets_more_requests_at_once(world, receiver):
    """It answers none before all have come in, which are more than a quick peer is sent at once."""
    messages = FEW_CARRIERS + 20
    together = threading.Barrier(messages, timeout=30)

    def answer(request):
        together.wait()
        return success(request)

    receiver.answer = answer
    PeerHealth.objects.create(peer=world.cis_peer, results=1_000)
    for lane in range(messages):
        put(world, lane=lane)
    assert deliver_due() == messages
    assert states() == [DeliveryState.DELIVERED] * messages
    assert not together.broken
