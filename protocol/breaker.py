"""The circuit breaker of each peer (R15): one that keeps failing is paused, and pausing spends no tries.

Closed: everything due is sent. When at least half of about the last RESULTS_WEIGHED results were failures, it opens:
nothing is sent until `paused_until`. Then it is half-open: one message shows whether the peer is back. Staff can pause
a peer too, for as long as they like.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from protocol import lanes
from protocol.models import BreakerState, Peer, PeerHealth

RESULTS_WEIGHED = 20
RESULTS_BEFORE_PAUSE = 10
RATE_OF_PAUSE = 0.5
FORGOTTEN_AFTER = timedelta(minutes=10)
FIRST_PAUSE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Results:
    """Results of one peer since the last note: an answer of any kind that settles the message is no failure."""

    count: int
    failures: int


def sending_state(health: PeerHealth | None, *, now: datetime) -> str:
    """In the reader's language: whether messages go out to a peer."""
    if health is None:
        return str(BreakerState.CLOSED.label)
    if health.held_at is not None:
        return gettext("paused by staff")
    if health.state == BreakerState.OPEN and health.paused_until is not None and health.paused_until <= now:
        return str(BreakerState.HALF_OPEN.label)
    return str(BreakerState(health.state).label)


@transaction.atomic
def note_results(*, peer_id: int, results: Results, now: datetime) -> BreakerState:
    """Count results of `peer_id`, open or close its breaker; returns how it stands then."""
    PeerHealth.objects.bulk_create([PeerHealth(peer_id=peer_id)], ignore_conflicts=True)
    health = PeerHealth.objects.select_for_update().get(peer_id=peer_id)
    if health.state == BreakerState.OPEN:
        # The rest of a burst that was under way when the pause began says nothing new.
        return BreakerState.OPEN
    _weigh(health, results, now=now)
    if health.state == BreakerState.HALF_OPEN:
        _end_probation(health, succeeded=results.failures < results.count, now=now)
    elif health.results >= RESULTS_BEFORE_PAUSE and health.failure_rate >= RATE_OF_PAUSE:
        _open(health, now=now)
    health.save()
    return BreakerState(health.state)


def _weigh(health: PeerHealth, results: Results, *, now: datetime) -> None:
    """A plain average of the first results, then one in which older ones fade."""
    if health.noted_at is not None and now - health.noted_at > FORGOTTEN_AFTER:
        health.results, health.failure_rate = 0, 0.0
    kept = min(health.results, RESULTS_WEIGHED) / (min(health.results, RESULTS_WEIGHED) + results.count)
    health.failure_rate = health.failure_rate * kept + results.failures / results.count * (1 - kept)
    health.results = min(health.results + results.count, 1_000_000)
    health.noted_at = now


def _open(health: PeerHealth, *, now: datetime) -> None:
    seconds = min(FIRST_PAUSE_SECONDS * 2 ** min(health.openings, 10), LONGEST_PAUSE_SECONDS)
    health.state, health.paused_until = BreakerState.OPEN, now + timedelta(seconds=seconds)
    health.openings += 1


def _end_probation(health: PeerHealth, *, succeeded: bool, now: datetime) -> None:
    if not succeeded:
        _open(health, now=now)
        return
    _close(health)
    # Its oldest facts first: those whose tries failed while it was away need not wait longer.
    lanes.hasten(peer_id=health.peer_id, now=now)


def _close(health: PeerHealth) -> None:
    health.state, health.paused_until = BreakerState.CLOSED, None
    health.failure_rate, health.results, health.openings = 0.0, 0, 0


def begin_probation(peer_id: int, *, now: datetime) -> None:
    """One message of an open peer is being claimed: nobody claims another until its result is in, or is overdue."""
    overdue = now + timedelta(seconds=settings.OUTBOX_LEASE_SECONDS)
    PeerHealth.objects.filter(peer_id=peer_id).update(state=BreakerState.HALF_OPEN, paused_until=overdue)


@transaction.atomic
def pause(peer: Peer, *, by: str, reason: str = "", now: datetime) -> bool:
    """Send nothing to `peer` until `resume_peer()`; False when it was paused already.

    `by` is the name of who asks. What is on its way arrives or fails; what waits keeps all its tries.
    """
    PeerHealth.objects.bulk_create([PeerHealth(peer=peer)], ignore_conflicts=True)
    running = PeerHealth.objects.filter(peer=peer, held_at__isnull=True)
    return bool(running.update(held_at=now, held_by=by[:150], held_reason=reason[:200]))


@transaction.atomic
def resume_peer(peer: Peer, *, now: datetime) -> bool:
    """Send to `peer` again at once, whether staff or failures paused it; False when neither had.

    What failed before is due at once, and each message keeps the tries that it has left.
    """
    health = PeerHealth.objects.select_for_update().filter(peer=peer).first()
    if health is None or (health.held_at is None and health.state == BreakerState.CLOSED):
        return False
    _close(health)
    health.held_at, health.held_by, health.held_reason = None, "", ""
    health.save()
    lanes.hasten(peer_id=health.peer_id, now=now)
    return True


def resume(peers: QuerySet[PeerHealth], *, now: datetime) -> int:
    """`resume_peer()` for each of these; returns how many had been paused."""
    return sum(resume_peer(health.peer, now=now) for health in peers.select_related("peer"))
