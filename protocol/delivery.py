"""Delivering the outbox (R15): claim with a lease, send outside any transaction, record what came of it.

A claim moves `due_at` forward by the lease; a worker that dies loses nothing but that time. Per peer and lane only
the earliest unfinished message is ever claimed, which keeps each meter's messages in order.
"""

import json
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from protocol.breaker import note_results, open_peers, probing_peers
from protocol.errors import EchoCode
from protocol.models import DeliveryState, OutboundAttempt, OutboundMessage, Peer
from protocol.outbox import answer_reader
from protocol.sending import Outcome, Parcel, send_all
from protocol.transactions import atomically

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = (10, 60, 300, 1800, 7200, 18_000, 36_000, 36_000)
RETRIED_STATUSES = frozenset({408, 425, 429})
SUCCESS_CODES = frozenset({EchoCode.SUCCESS.value, "0"})

_CLAIM = """
    UPDATE protocol_outboundmessage
    SET due_at = %(lease)s, claimed_at = %(now)s
    WHERE id IN (
        SELECT m.id FROM protocol_outboundmessage m
        WHERE m.state = 'pending' AND m.due_at <= %(now)s AND m.peer_id = ANY(%(peers)s)
          AND NOT EXISTS (
              SELECT 1 FROM protocol_outboundmessage earlier
              WHERE earlier.peer_id = m.peer_id AND earlier.lane = m.lane
                AND earlier.state = 'pending' AND earlier.id < m.id)
        ORDER BY m.due_at, m.id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED)
    RETURNING id, peer_id, code, body
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an outcome means: delivered, to be tried again, or refused by the peer."""

    state: DeliveryState
    echo_code: str
    answer: dict[str, Any] | None


def deliver_due() -> int:
    """Send until nothing is due; returns how many messages were sent."""
    sent = 0
    while True:
        parcels = claim(now=timezone.now())
        if not parcels:
            return sent
        for outcome in send_all(parcels):
            _record_or_log(outcome)
        sent += len(parcels)


def claim(*, now: datetime) -> list[Parcel]:
    """Take what is due, with a lease: a batch of the healthy peers, one message of each peer that is on probation."""
    parcels = _claim_of(open_peers(), now=now, limit=settings.OUTBOX_BATCH)
    for peer in probing_peers(now=now):
        parcels += _claim_of([peer], now=now, limit=1)
    return parcels


def _claim_of(peers: list[Peer], *, now: datetime, limit: int) -> list[Parcel]:
    if not peers:
        return []
    by_id = {peer.pk: peer for peer in peers}
    lease = now + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "lease": lease, "limit": limit, "peers": list(by_id)})
        rows = sorted(cursor.fetchall())
    return [Parcel(message_id=pk, peer=by_id[peer_id], code=code, body=body) for pk, peer_id, code, body in rows]


def _record_or_log(outcome: Outcome) -> None:
    """One result that cannot be recorded must not cost the others of its batch theirs: it is sent again."""
    try:
        record(outcome, now=timezone.now())
    except Exception:
        logger.exception("outbound message %s: its result could not be recorded", outcome.parcel.message_id)


@atomically
def record(outcome: Outcome, *, now: datetime) -> None:
    """Keep the attempt, move the message on, and hand its end to the app that asked."""
    message = OutboundMessage.objects.select_for_update().get(pk=outcome.parcel.message_id)
    verdict = judge(outcome)
    OutboundAttempt.objects.create(
        message=message,
        attempted_at=outcome.started_at,
        duration_ms=outcome.duration_ms,
        http_status=outcome.http_status,
        echo_code=verdict.echo_code[:16],
        answer=outcome.text[:1000],
        error=outcome.error[:200],
    )
    # A sender whose lease ran out may report late: what another has finished stays finished.
    if message.state == DeliveryState.PENDING:
        _move_on(message, verdict, outcome, now=now)
        reader = answer_reader(message.code)
        if message.state != DeliveryState.PENDING and reader is not None:
            reader(message=message, answer=verdict.answer or {}, now=now)
    # Last, since the reader may wait for a meter, and all other results of this peer would wait with it.
    note_results(peer_id=message.peer_id, succeeded=verdict.state != DeliveryState.PENDING, now=now)


def judge(outcome: Outcome) -> Verdict:
    """PENDING means: to be tried again. An HTTP error without a readable envelope counts by its status (R15)."""
    answer = _envelope_of(outcome.text)
    echo_code = str(answer.get("echoCode", "")) if answer else ""
    status = outcome.http_status
    if status is None or status >= 500 or status in RETRIED_STATUSES or echo_code == EchoCode.UNAVAILABLE:
        return Verdict(DeliveryState.PENDING, echo_code, answer)
    if echo_code in SUCCESS_CODES and status < 300:
        return Verdict(DeliveryState.DELIVERED, echo_code, answer)
    if echo_code or status >= 300:
        return Verdict(DeliveryState.REJECTED, echo_code, answer)
    return Verdict(DeliveryState.PENDING, echo_code, answer)


def retry_at(*, tries: int, now: datetime) -> datetime | None:
    """When a message that failed `tries` times is due again, with jitter of a tenth; None when it is dead."""
    if tries > len(RETRY_AFTER_SECONDS):
        return None
    return now + timedelta(seconds=RETRY_AFTER_SECONDS[tries - 1] * random.uniform(0.9, 1.1))


def send_again(messages: Any, *, now: datetime) -> int:
    """Make dead and rejected messages of a queryset due again with all their tries; returns how many.

    Those that are `once_only` stay as they are: a command is replayed instead, as a new one.
    """
    return messages.filter(state__in=[DeliveryState.DEAD, DeliveryState.REJECTED], once_only=False).update(
        state=DeliveryState.PENDING, tries=0, due_at=now, finished_at=None
    )


@transaction.atomic
def withdraw(message_id: int, *, now: datetime) -> bool:
    """Take back a message that nobody has claimed yet; False when it may have gone out."""
    # One that is locked is just being claimed or recorded.
    waiting = OutboundMessage.objects.select_for_update(skip_locked=True)
    message = waiting.filter(pk=message_id, state=DeliveryState.PENDING, claimed_at__isnull=True).first()
    if message is None:
        return False
    message.state, message.finished_at = DeliveryState.WITHDRAWN, now
    message.save(update_fields=["state", "finished_at"])
    return True


def _move_on(message: OutboundMessage, verdict: Verdict, outcome: Outcome, *, now: datetime) -> None:
    message.tries += 1
    message.state = verdict.state
    message.answer = outcome.text[:4000]
    if verdict.state == DeliveryState.PENDING:
        due_at = retry_at(tries=message.tries, now=now)
        message.state = DeliveryState.PENDING if due_at else DeliveryState.DEAD
        message.due_at = due_at or now
    if message.state != DeliveryState.PENDING:
        message.finished_at = now
    message.save(update_fields=["tries", "state", "answer", "due_at", "finished_at"])


def _envelope_of(text: str) -> dict[str, Any] | None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
