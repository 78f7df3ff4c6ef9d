"""Delivering the outbox (R15): claim lanes with a lease, send outside any transaction, record what came of it.

`Sender` is the whole of it: a thread that talks to the database (the caller's) and a courier that talks to the peers.
They never wait for each other: while some messages are on their way, others are recorded and the next are claimed.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty

from django.conf import settings
from django.utils import timezone

from protocol import lanes
from protocol.breaker import Results, note_results
from protocol.interpreter import tuned_for_sending
from protocol.lanes import ClaimedLane, Done
from protocol.models import DeliveryState
from protocol.recording import Result, record, result_of
from protocol.sending import Courier, LaneEnd, Parcel
from protocol.shares import Round, plan
from protocol.verdicts import retry_at

logger = logging.getLogger(__name__)

# How soon a sender looks again when nothing was due.
IDLE_SECONDS = 0.2
# How soon a lane that somebody had locked is released.
RELEASE_AGAIN_SECONDS = 0.05
# While so many results come in per round, the next are let gather for a while: a round costs the same for few or many.
MANY_RESULTS = 50
GATHER_SECONDS = 0.03


def deliver_due(*, seconds: float | None = None) -> int:
    """Send until nothing is due, or for about so many seconds; returns how many messages were sent."""
    deadline = None if seconds is None else time.monotonic() + seconds
    return Sender(stops=lambda: deadline is not None and time.monotonic() >= deadline, until_idle=True).run()


def send_forever(*, stops: Callable[[], bool]) -> int:
    """Send whatever becomes due until `stops()`; what is on its way then is waited for. Returns how many were sent."""
    return Sender(stops=stops, until_idle=False).run()


@dataclass
class Sender:
    """One worker: claims, hands to its courier, records, and lets go, over and over."""

    stops: Callable[[], bool]
    until_idle: bool
    sent: int = 0
    _come_fast: bool = False
    _busy: Counter[int] = field(default_factory=Counter)
    _last: dict[tuple[int, int], Result] = field(default_factory=dict)
    _to_release: list[Done] = field(default_factory=list)

    def run(self) -> int:
        with tuned_for_sending(), Courier(reads=result_of, goes_on=_goes_on) as courier:
            while True:
                stopping = self.stops()
                round_ = Round() if stopping else self._claim(courier)
                if not self._busy.total() and not self._to_release and (stopping or self._is_idle(round_)):
                    return self.sent
                self._take_results(courier, wait=self._wait(round_))

    def _is_idle(self, round_: Round) -> bool:
        return self.until_idle and not round_.claimed and not round_.is_throttled

    def _wait(self, round_: Round) -> float:
        if self._to_release or round_.is_throttled:
            return RELEASE_AGAIN_SECONDS
        return IDLE_SECONDS

    def _claim(self, courier: Courier[Result]) -> Round:
        now = timezone.now()
        round_ = plan(busy=self._busy, now=now)
        if round_.claimed:
            for lane in round_.claimed:
                self._busy[lane.peer_id] += 1
            courier.carry([Parcel(lane, round_.peers[lane.peer_id]) for lane in round_.claimed])
        return round_

    def _take_results(self, courier: Courier[Result], *, wait: float) -> None:
        """All that has come in, at least one unless `wait` is over."""
        results: list[Result] = []
        ends: list[ClaimedLane] = []
        most = settings.OUTBOX_BATCH
        try:
            item = courier.results.get(timeout=wait)
            if self._come_fast:
                time.sleep(GATHER_SECONDS)
            while True:
                if isinstance(item, LaneEnd):
                    ends.append(item.claimed)
                else:
                    results.append(item)
                if len(results) >= most:
                    break
                item = courier.results.get_nowait()
        except Empty:
            pass
        self._come_fast = len(results) >= MANY_RESULTS
        self._record(results)
        for claimed in ends:
            self._busy[claimed.peer_id] -= 1
        self._release([*self._to_release, *map(self._done, ends)])

    def _record(self, results: list[Result]) -> None:
        if not results:
            return
        now = timezone.now()
        for result in record(results, now=now):
            claimed = result.outcome.claimed
            self._last[claimed.peer_id, claimed.lane] = result
        _note(results, now=now)
        self.sent += len(results)

    def _done(self, claimed: ClaimedLane) -> Done:
        """When the lane is due again: at once for what comes next, later for a message that has to wait."""
        now = timezone.now()
        last = self._last.pop((claimed.peer_id, claimed.lane), None)
        if last is None:
            return Done(claimed, emptied=False, due_at=now)
        if last.state == DeliveryState.PENDING:
            return Done(claimed, emptied=False, due_at=retry_at(tries=last.tries, now=now) or now)
        is_last = last.outcome.mail is claimed.mail[-1]
        return Done(claimed, emptied=claimed.is_all and is_last, due_at=now)

    def _release(self, done: list[Done]) -> None:
        self._to_release = lanes.release(done)


def _goes_on(result: Result) -> bool:
    """The next of a lane goes out once this one has ended, however it did."""
    return result.state != DeliveryState.PENDING


def _note(results: list[Result], *, now: datetime) -> None:
    by_peer: dict[int, list[Result]] = defaultdict(list)
    for result in results:
        by_peer[result.outcome.claimed.peer_id].append(result)
    for peer_id, of_peer in sorted(by_peer.items()):
        failures = sum(result.verdict.state == DeliveryState.PENDING for result in of_peer)
        note_results(peer_id=peer_id, results=Results(len(of_peer), failures), now=now)
