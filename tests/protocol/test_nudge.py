"""The nudge: a hint to a worker after the commit, at most twice a second, harmless without a broker."""

import pytest
from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from protocol import outbox
from protocol.models import OutboundMessage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(settings, monkeypatch):
    settings.OUTBOX_NUDGE = True
    monkeypatch.setattr(outbox._NudgePace, "next_at", 0.0)
    tasks: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **options: tasks.append(name))
    return tasks


def put(world):
    return outbox.enqueue(
        peer=world.cis_peer, company_id=world.company.pk, code="2001", lane=1, body={}, now=timezone.now()
    )


def test_it_is_sent_after_the_commit_and_not_after_a_rollback(world, sent):
    with transaction.atomic():
        put(world)
        assert sent == []
    assert sent == ["protocol.deliver"]
    sent.clear()
    outbox._NudgePace.next_at = 0.0
    with pytest.raises(RuntimeError), transaction.atomic():
        put(world)
        raise RuntimeError
    assert sent == []
    assert OutboundMessage.objects.count() == 1


def test_many_messages_in_a_moment_send_one(world, sent):
    times = iter([10.0, 10.0, 10.1, 10.4, 10.6, 10.6])
    for _ in range(4):
        outbox.nudge(clock=lambda: next(times))
    assert sent == ["protocol.deliver"] * 2


def test_a_broker_that_is_away_costs_nothing_and_is_left_alone_for_a_while(world, sent, monkeypatch):
    calls = []

    def fail(name, **options):
        calls.append(name)
        raise OperationalError("nobody there")

    monkeypatch.setattr(current_app, "send_task", fail)
    put(world)
    put(world)
    assert calls == ["protocol.deliver"]
    assert OutboundMessage.objects.filter(state="pending").count() == 2
    outbox.nudge(clock=lambda: outbox._NudgePace.next_at - 0.1)
    assert calls == ["protocol.deliver"]
    outbox.nudge(clock=lambda: outbox._NudgePace.next_at + 0.1)
    assert calls == ["protocol.deliver"] * 2
