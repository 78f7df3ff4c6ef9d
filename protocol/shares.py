"""How much of each peer's mail a sender claims next: its breaker, its limits, and fairness between peers (R15)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from protocol import breaker, lanes
from protocol.lanes import ClaimedLane, Share
from protocol.models import BreakerState, OutboundLane, Peer, PeerHealth

# A peer of whom little is known yet is not sent everything at once.
FIRST_REQUESTS = 16

_HELD = """
    SELECT peer_id, count(*) FROM protocol_outboundlane
    WHERE holder IS NOT NULL AND due_at > %(now)s AND peer_id = ANY(%(peers)s)
    GROUP BY peer_id
"""


@dataclass
class Round:
    """What one claim has taken, whose it is, and whether a rate holds back more."""

    claimed: list[ClaimedLane] = field(default_factory=list)
    peers: dict[int, Peer] = field(default_factory=dict)
    is_throttled: bool = False


def plan(*, busy: Counter[int], now: datetime) -> Round:
    """Claim what may be sent now by a sender that is `busy` with so many lanes of each peer."""
    free = settings.OUTBOX_CONCURRENCY - busy.total()
    if free <= 0:
        return Round()
    peers = _sendable(now=now)
    round_ = Round(peers={peer.pk: peer for peer in peers})
    lease = now + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
    plain = [peer for peer in peers if not _is_special(peer)]
    round_.claimed = lanes.claim(_shares(plain, free=free, now=now), now=now, lease=lease)
    for peer in peers:
        if _is_special(peer):
            _claim_alone(peer, round_, free=free - len(round_.claimed), now=now, lease=lease)
    return round_


def _sendable(*, now: datetime) -> list[Peer]:
    """Peers that may be sent something: active, not paused, their breaker closed or its pause over."""
    peers = Peer.objects.filter(is_active=True, health__held_at__isnull=True).exclude(url="").select_related("health")
    peers = peers.exclude(health__paused_until__gt=now)
    return list(peers.filter(pk__in=_owed()))


def _owed() -> list[int]:
    """Peers with a lane, by hopping from one to the next in the index."""
    with connection.cursor() as cursor:
        cursor.execute(_OWED)
        return [pk for (pk,) in cursor.fetchall()]


_OWED = """
    WITH RECURSIVE owed AS (
        (SELECT peer_id FROM protocol_outboundlane ORDER BY peer_id LIMIT 1)
        UNION ALL
        SELECT (SELECT l.peer_id FROM protocol_outboundlane l WHERE l.peer_id > owed.peer_id ORDER BY l.peer_id LIMIT 1)
        FROM owed WHERE owed.peer_id IS NOT NULL
    )
    SELECT peer_id FROM owed WHERE peer_id IS NOT NULL
"""


def _health(peer: Peer) -> PeerHealth | None:
    return getattr(peer, "health", None)


def _is_open(peer: Peer) -> bool:
    health = _health(peer)
    return health is not None and health.state != BreakerState.CLOSED


def _rate(peer: Peer) -> int:
    return peer.max_per_second or settings.OUTBOX_PEER_RATE


def _is_special(peer: Peer) -> bool:
    """Those whose health row is locked for the claim: on probation, or with a rate."""
    return _is_open(peer) or bool(_rate(peer))


def _shares(peers: Sequence[Peer], *, free: int, now: datetime) -> list[Share]:
    """Each may take half of what is free, those with the fewest requests under way first: some is left for anybody."""
    held = _held(peers, now=now)
    shares = []
    for peer in sorted(peers, key=lambda peer: held[peer.pk]):
        places = min(_limit(peer) - held[peer.pk], max(1, free // 2), free)
        if places > 0:
            shares.append(Share(peer.pk, places))
            free -= places
    return shares


def _held(peers: Sequence[Peer], *, now: datetime) -> Counter[int]:
    """By all senders together: lanes of each peer that are being sent."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"now": now, "peers": [peer.pk for peer in peers]})
        return Counter(dict(cursor.fetchall()))


def _limit(peer: Peer) -> int:
    limit = peer.max_concurrency or settings.OUTBOX_PEER_CONCURRENCY
    health = _health(peer)
    known = health.results if health is not None else 0
    return min(limit, FIRST_REQUESTS + 2 * known) if known < breaker.RESULTS_WEIGHED * 10 else limit


@transaction.atomic
def _claim_alone(peer: Peer, round_: Round, *, free: int, now: datetime, lease: datetime) -> None:
    """With its health row locked, so that all senders together keep the rate, and only one probes."""
    PeerHealth.objects.bulk_create([PeerHealth(peer=peer)], ignore_conflicts=True)
    health = PeerHealth.objects.select_for_update(skip_locked=True).filter(peer=peer).first()
    if health is None or health.held_at is not None or free <= 0:
        return
    if health.paused_until is not None and health.paused_until > now:
        return
    if health.state != BreakerState.CLOSED:
        round_.claimed += _probe(health, now=now, lease=lease)
        return
    places = min(_limit(peer) - _held([peer], now=now)[peer.pk], max(1, free // 2))
    if places <= 0:
        return
    if _rate(peer):
        _claim_at_rate(health, round_, places=places, rate=_rate(peer), now=now, lease=lease)
    else:
        round_.claimed += lanes.claim([Share(peer.pk, places)], now=now, lease=lease)


def _claim_at_rate(
    health: PeerHealth, round_: Round, *, places: int, rate: int, now: datetime, lease: datetime
) -> None:
    tokens = _tokens(health, rate=rate, now=now)
    claimed = []
    if tokens >= 1:
        claimed = lanes.claim([Share(health.peer_id, min(places, int(tokens)), depth=1)], now=now, lease=lease)
        health.tokens, health.tokens_at = tokens - len(claimed), now
        health.save(update_fields=["tokens", "tokens_at"])
    round_.claimed += claimed
    round_.is_throttled |= OutboundLane.objects.filter(peer=health.peer_id, due_at__lte=now).exists()


def _probe(health: PeerHealth, *, now: datetime, lease: datetime) -> list[ClaimedLane]:
    claimed = lanes.claim([Share(health.peer_id, 1, depth=1)], now=now, lease=lease)
    if claimed:
        breaker.begin_probation(health.peer_id, now=now)
    return claimed


def _tokens(health: PeerHealth, *, rate: int, now: datetime) -> float:
    """Never more than a tenth of a second's: a rate is kept within each second too."""
    most = max(1.0, rate / 10)
    if health.tokens_at is None:
        return most
    return min(most, health.tokens + (now - health.tokens_at).total_seconds() * rate)
