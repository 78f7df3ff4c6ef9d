"""The circuit breaker of each peer (R15): one that keeps failing is paused, and pausing spends no tries.

Closed: everything due is sent. After FAILURES_BEFORE_PAUSE failures in a row: nothing until `paused_until`. Then one
message at a time until one gets through.
"""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from protocol.models import Peer, PeerHealth

FAILURES_BEFORE_PAUSE = 10
FIRST_PAUSE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 300

_ON_PROBATION = Q(health__consecutive_failures__gte=FAILURES_BEFORE_PAUSE)


def open_peers() -> list[Peer]:
    """Peers to whom everything due may be sent."""
    return list(Peer.objects.filter(is_active=True).exclude(url="").exclude(_ON_PROBATION))


def probing_peers(*, now: datetime) -> list[Peer]:
    """Peers whose pause has ended and who get one message to show that they are back."""
    paused = Q(health__paused_until__gt=now)
    return list(Peer.objects.filter(_ON_PROBATION, is_active=True).exclude(url="").exclude(paused))


def note_results(*, peer_id: int, succeeded: bool, now: datetime) -> None:
    """Count one result of `peer_id`; an answer of any kind that settles the message counts as success."""
    health = PeerHealth.objects.select_for_update().filter(peer_id=peer_id).first()
    if health is None:
        if succeeded:
            return
        PeerHealth.objects.get_or_create(peer_id=peer_id)
        health = PeerHealth.objects.select_for_update().get(peer_id=peer_id)
    if succeeded:
        if health.consecutive_failures:
            PeerHealth.objects.filter(peer_id=peer_id).update(consecutive_failures=0, paused_until=None)
        return
    # The rest of a burst that was under way when the pause began says nothing new.
    if health.paused_until is not None and health.paused_until > now:
        return
    health.consecutive_failures += 1
    excess = health.consecutive_failures - FAILURES_BEFORE_PAUSE
    if excess >= 0:
        seconds = min(FIRST_PAUSE_SECONDS * 2 ** min(excess, 10), LONGEST_PAUSE_SECONDS)
        health.paused_until = now + timedelta(seconds=seconds)
    health.save(update_fields=["consecutive_failures", "paused_until"])


def resume(peers: QuerySet[PeerHealth]) -> int:
    """Close the breaker of these peers, as if they had never failed; returns how many were open or on the way to it."""
    return peers.filter(consecutive_failures__gt=0).update(consecutive_failures=0, paused_until=None)
