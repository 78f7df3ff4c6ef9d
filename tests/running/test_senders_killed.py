"""kill -9 of several senders in the middle of sending loses no message and no order; some messages come again."""

import itertools
import random
import threading
from collections import defaultdict
from contextlib import ExitStack

import pytest
from django.db import connection
from django.utils import timezone

from protocol.models import DeliveryState, OutboundAttempt, OutboundLane, OutboundMessage
from protocol.outbox import enqueue
from tests.protocol.receiver import receiving, slowly
from tests.running.processes import database_url, running, wait_until
from tests.world import build_world

SENDERS, METERS, TURNS = 3, 24, 30
ENVIRONMENT = {
    "OUTBOX_LEASE_SECONDS": "3",
    "OUTBOX_TOTAL_TIMEOUT_SECONDS": "2",
    "OUTBOX_CONCURRENCY": "16",
    "OUTBOX_BATCH": "10",
}


def owe(world, turns):
    """One message per meter and turn; their numbers count up per meter."""
    for turn, meter in itertools.product(turns, range(1, METERS + 1)):
        enqueue(
            peer=world.cis_peer,
            company_id=world.company.pk,
            code="2003",
            lane=meter,
            body={"meterNo": str(meter), "turn": str(turn)},
            now=timezone.now(),
        )


def kill_now_and_then(senders, done, killed, received):
    """One of them, or all at once, while messages are on their way."""
    while not done.wait(random.uniform(0.5, 1.5)):
        chosen = senders if len(killed) % 3 == 2 else [random.choice(senders)]
        killed.append(chosen)
        before = len(received)
        wait_until(lambda before=before: len(received) > before or done.is_set(), seconds=60, what="somebody sends")
        for sender in chosen:
            sender.kill()
        for sender in chosen:
            sender.start()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_and_each_meters_order_is_kept(tmp_path):
    with receiving() as receiver, ExitStack() as stack:
        receiver.answer = slowly(0.05)
        world = build_world(cis_url=receiver.url)
        owe(world, range(TURNS // 5))
        environment = {"DATABASE_URL": database_url(), **ENVIRONMENT}
        senders = [
            stack.enter_context(running(["manage", "send"], log=tmp_path / f"{number}.log", environment=environment))
            for number in range(SENDERS)
        ]
        wait_until(lambda: receiver.received, seconds=60, what="the first message")
        done, killed = threading.Event(), []
        killer = threading.Thread(target=kill_now_and_then, args=(senders, done, killed, receiver.received))
        killer.start()
        try:
            # More comes with each kill, so that the next one meets messages on their way.
            for part in range(1, 5):
                wait_until(lambda part=part: len(killed) >= part, seconds=60, what=f"{part} kills")
                owe(world, range(part * TURNS // 5, (part + 1) * TURNS // 5))
            wait_until(lambda: not OutboundLane.objects.exists(), seconds=180, what="every message sent")
        finally:
            done.set()
            killer.join()
            connection.close()
    check(receiver.received, killed=len(killed))


def check(received, *, killed):
    assert killed >= 4
    assert set(OutboundMessage.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}
    assert OutboundMessage.objects.count() == METERS * TURNS
    bodies, turns = defaultdict(set), defaultdict(list)
    for request in received:
        bodies[request.body["serialNo"]].add((request.body["meterNo"], request.body["turn"]))
        turns[int(request.body["meterNo"])].append(int(request.body["turn"]))
    assert set(bodies) == set(OutboundMessage.objects.values_list("serial_no", flat=True))
    assert {len(said) for said in bodies.values()} == {1}
    for meter, told in turns.items():
        assert list(dict.fromkeys(told)) == list(range(TURNS)), meter
    # What came again came of a sender that died before it could record it.
    assert METERS * TURNS <= OutboundAttempt.objects.count() <= len(received)
