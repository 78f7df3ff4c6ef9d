"""The lanes of the outbox: who may send what next, in order (R15).

A lane is one row per peer and meter that has pending messages. Writing a message opens its lane by a trigger, or
counts one more arrival in it; a sender claims the lane as a whole. So a claim never looks at what waits behind the
first message, whatever has piled up.

A sender locks lanes last in its transactions, and skips those that are locked: whoever holds one waits for nobody.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection, transaction

# A lane's next messages, claimed together and sent one after another.
MESSAGES_PER_CLAIM = 16
# Of each peer's places one in four goes to what became due last, the others to what has waited longest.
NEWEST_SHARE = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LOCK_DUE = """
    SELECT due.peer_id, due.lane, share.depth, due.since
    FROM unnest(%(peers)s::bigint[], %(places)s::int[], %(depths)s::int[]) AS share(peer_id, places, depth)
    CROSS JOIN LATERAL (
        SELECT l.peer_id, l.lane, l.since FROM protocol_outboundlane l
        WHERE l.peer_id = share.peer_id AND l.due_at <= %(now)s
        ORDER BY l.due_at {direction}
        LIMIT share.places
        FOR UPDATE SKIP LOCKED
    ) AS due
"""
_LOCK_OLDEST, _LOCK_NEWEST = (_LOCK_DUE.format(direction=direction) for direction in ("ASC", "DESC"))

# A new snapshot, taken while the lanes are locked: it has every message whose arrival they count. The same lower bound
# twice: the one that is a constant spares the planner the older partitions. Moments come as microseconds, since the way
# in which Django reads one takes longer than all other columns together.
_READ = """
    SELECT l.peer_id, l.lane, l.arrivals, m.id, m.code, m.body, m.tries,
        (extract(epoch FROM m.created_at) * 1000000)::bigint, m.once_only
    FROM unnest(%(peers)s::bigint[], %(lanes)s::bigint[], %(depths)s::int[]) AS mine(peer_id, lane, depth)
    JOIN protocol_outboundlane l ON l.peer_id = mine.peer_id AND l.lane = mine.lane
    LEFT JOIN LATERAL (
        SELECT * FROM protocol_outboundmessage o
        WHERE o.lane = l.lane AND o.id >= l.first_id AND o.peer_id = l.peer_id
          AND o.created_at >= l.since AND o.created_at >= %(since)s AND o.state = 'pending'
        ORDER BY o.id
        LIMIT mine.depth + 1
    ) AS m ON true
    ORDER BY l.peer_id, l.lane, m.id
"""
_HOLD = """
    UPDATE protocol_outboundlane l
    SET due_at = %(lease)s, holder = %(holder)s, first_id = mine.first_id,
        claimed_through = greatest(l.claimed_through, mine.last_id)
    FROM unnest(%(peers)s::bigint[], %(lanes)s::bigint[], %(firsts)s::bigint[], %(lasts)s::bigint[])
         AS mine(peer_id, lane, first_id, last_id)
    WHERE l.peer_id = mine.peer_id AND l.lane = mine.lane
"""
_DROP = """
    DELETE FROM protocol_outboundlane l
    USING unnest(%(peers)s::bigint[], %(lanes)s::bigint[]) AS empty(peer_id, lane)
    WHERE l.peer_id = empty.peer_id AND l.lane = empty.lane
"""
# Gone when all that was known at the claim is done and nothing has arrived since.
_RELEASE = """
    WITH mine AS (
        SELECT l.peer_id, l.lane, done.due_at, done.emptied AND l.arrivals = done.arrivals AS is_empty
        FROM unnest(%(peers)s::bigint[], %(lanes)s::bigint[], %(arrivals)s::bigint[], %(emptied)s::bool[],
                    %(dues)s::timestamptz[], %(holders)s::bigint[])
             AS done(peer_id, lane, arrivals, emptied, due_at, holder)
        JOIN protocol_outboundlane l ON l.peer_id = done.peer_id AND l.lane = done.lane AND l.holder = done.holder
        ORDER BY l.peer_id, l.lane
        FOR UPDATE OF l SKIP LOCKED
    ), dropped AS (
        DELETE FROM protocol_outboundlane l USING mine
        WHERE mine.is_empty AND l.peer_id = mine.peer_id AND l.lane = mine.lane
    ), kept AS (
        UPDATE protocol_outboundlane l SET due_at = mine.due_at, holder = NULL FROM mine
        WHERE NOT mine.is_empty AND l.peer_id = mine.peer_id AND l.lane = mine.lane
    )
    SELECT peer_id, lane FROM mine
"""
_HELD_STILL = """
    SELECT l.peer_id, l.lane
    FROM unnest(%(peers)s::bigint[], %(lanes)s::bigint[], %(holders)s::bigint[]) AS mine(peer_id, lane, holder)
    JOIN protocol_outboundlane l ON l.peer_id = mine.peer_id AND l.lane = mine.lane AND l.holder = mine.holder
"""
_REOPEN = """
    INSERT INTO protocol_outboundlane AS l (peer_id, lane, due_at, since, first_id)
    SELECT peer_id, lane, %(now)s, min(created_at), min(id) FROM protocol_outboundmessage
    WHERE id = ANY(%(ids)s) AND state = 'pending'
    GROUP BY peer_id, lane
    ORDER BY peer_id, lane
    ON CONFLICT (peer_id, lane) DO UPDATE
    SET arrivals = l.arrivals + 1, first_id = least(l.first_id, excluded.first_id),
        since = least(l.since, excluded.since),
        due_at = CASE WHEN l.holder IS NULL THEN least(l.due_at, excluded.due_at) ELSE l.due_at END
"""
_HASTEN = """
    UPDATE protocol_outboundlane SET due_at = least(since, %(now)s)
    WHERE (peer_id, lane) IN (
        SELECT peer_id, lane FROM protocol_outboundlane
        WHERE peer_id = %(peer)s AND due_at > %(now)s AND holder IS NULL
        FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a peer's mail may be claimed now: so many lanes, so many messages of each."""

    peer_id: int
    lanes: int
    depth: int = MESSAGES_PER_CLAIM


class Mail(NamedTuple):
    """A pending message as it was claimed."""

    id: int
    code: str
    body: str
    tries: int
    created_at: datetime
    once_only: bool


@dataclass(frozen=True, slots=True)
class ClaimedLane:
    """A lane that is ours until `lease`, with its next messages in order; `is_all` when none waits behind them."""

    peer_id: int
    lane: int
    arrivals: int
    holder: int
    lease: datetime
    mail: tuple[Mail, ...]
    is_all: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What a sender has done with a lane: all it knew of (`emptied`), or else the rest is due at `due_at`."""

    claimed: ClaimedLane
    emptied: bool
    due_at: datetime


@transaction.atomic
def claim(shares: Sequence[Share], *, now: datetime, lease: datetime) -> list[ClaimedLane]:
    """Take lanes that are due, within each peer's share: the oldest first, a part for the newest (R15)."""
    if not shares:
        return []
    locked = _locked_lanes(shares, now=now)
    if not locked:
        return []
    peers, lanes, depths, moments = (list(column) for column in zip(*locked, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"peers": peers, "lanes": lanes, "depths": depths, "since": min(moments)})
        rows = cursor.fetchall()
    depth_of = {share.peer_id: share.depth for share in shares}
    holder = secrets.randbits(62)
    claimed, empty = [], []
    for (peer_id, lane), group in groupby(rows, key=lambda row: (row[0], row[1])):
        waiting = list(group)
        if waiting[0][3] is None:
            empty.append((peer_id, lane))
            continue
        mail = _next_mail([_mail(*row[3:]) for row in waiting], depth=depth_of[peer_id])
        is_all = len(mail) == len(waiting)
        claimed.append(ClaimedLane(peer_id, lane, waiting[0][2], holder, lease, mail, is_all))
    _hold(claimed)
    _drop(empty)
    return claimed


def _locked_lanes(shares: Sequence[Share], *, now: datetime) -> list[tuple[int, int, int, datetime]]:
    """Of each its peer, lane, how many of its messages may be taken, and since when it waits."""
    newest = {share.peer_id: share.lanes // NEWEST_SHARE for share in shares}
    values: dict[str, Any] = {
        "now": now,
        "peers": [share.peer_id for share in shares],
        "depths": [share.depth for share in shares],
    }
    with connection.cursor() as cursor:
        places = [share.lanes - newest[share.peer_id] for share in shares]
        cursor.execute(_LOCK_OLDEST, {**values, "places": places})
        locked = dict.fromkeys(cursor.fetchall())
        full = {share.peer_id for share, place in zip(shares, places, strict=True) if _count(locked, share) >= place}
        if any(newest[peer_id] for peer_id in full):
            more = [newest[share.peer_id] if share.peer_id in full else 0 for share in shares]
            cursor.execute(_LOCK_NEWEST, {**values, "places": more})
            locked |= dict.fromkeys(cursor.fetchall())
    return list(locked)


def _count(locked: Iterable[tuple[int, int, int, datetime]], share: Share) -> int:
    return sum(peer_id == share.peer_id for peer_id, *_ in locked)


def _mail(pk: int, code: str, body: str, tries: int, created_us: int, once_only: bool) -> Mail:
    return Mail(pk, code, body, tries, EPOCH + timedelta(microseconds=created_us), once_only)


def _next_mail(waiting: list[Mail], *, depth: int) -> tuple[Mail, ...]:
    """What is `once_only` is only ever taken as the first: behind others it can still be withdrawn."""
    for place, mail in enumerate(waiting):
        if place == depth or (place and mail.once_only):
            return tuple(waiting[:place])
    return tuple(waiting)


def _hold(claimed: Sequence[ClaimedLane]) -> None:
    if not claimed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLD,
            {
                **_names(claimed),
                "lease": claimed[0].lease,
                "holder": claimed[0].holder,
                "firsts": [lane.mail[0].id for lane in claimed],
                "lasts": [lane.mail[-1].id for lane in claimed],
            },
        )


def _drop(empty: Sequence[tuple[int, int]]) -> None:
    if empty:
        with connection.cursor() as cursor:
            cursor.execute(_DROP, {"peers": [peer for peer, _ in empty], "lanes": [lane for _, lane in empty]})


def release(done: Sequence[Done]) -> list[Done]:
    """Let go of lanes; returns those that somebody has locked at this moment, to be released a little later.

    A lane whose lease another has taken over is not ours to release, and is not returned.
    """
    if not done:
        return []
    claimed = [item.claimed for item in done]
    names = {**_names(claimed), "holders": [lane.holder for lane in claimed]}
    with connection.cursor() as cursor:
        cursor.execute(
            _RELEASE,
            {
                **names,
                "arrivals": [lane.arrivals for lane in claimed],
                "emptied": [item.emptied for item in done],
                "dues": [item.due_at for item in done],
            },
        )
        released = set(cursor.fetchall())
        left = [item for item in done if (item.claimed.peer_id, item.claimed.lane) not in released]
        if not left:
            return []
        cursor.execute(_HELD_STILL, names)
        held = set(cursor.fetchall())
    return [item for item in left if (item.claimed.peer_id, item.claimed.lane) in held]


def reopen(message_ids: Sequence[int], *, now: datetime) -> None:
    """Make the lanes of messages that have become pending again due now, in the running transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_REOPEN, {"ids": list(message_ids), "now": now})


def hasten(*, peer_id: int, now: datetime) -> None:
    """Make due whatever of a peer waits for another try, before all that has not been tried yet."""
    with connection.cursor() as cursor:
        cursor.execute(_HASTEN, {"peer": peer_id, "now": now})


def _names(claimed: Sequence[ClaimedLane]) -> dict[str, list[int]]:
    return {"peers": [lane.peer_id for lane in claimed], "lanes": [lane.lane for lane in claimed]}
