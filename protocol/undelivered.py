"""Messages that did not arrive, and what can be done about them: withdraw, send again, cancel.

Lists of them are querysets of OutboundMessage: `stuck()` for what is rejected or dead, filtered further as one likes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, Case, Count, QuerySet, Value, When

from protocol import lanes
from protocol.models import DeliveryState, OutboundLane, OutboundMessage

STUCK = (DeliveryState.REJECTED, DeliveryState.DEAD)
# Small enough that senders never wait long for a lane.
BATCH = 1000


def stuck() -> QuerySet[OutboundMessage]:
    """Rejected and dead messages; `stuck_at` is their index, oldest first."""
    return OutboundMessage.objects.filter(stuck_at__isnull=False).order_by("stuck_at", "id")


def count_by_reason(messages: QuerySet[OutboundMessage]) -> list[Any]:
    """Of a queryset: peer, code, state, and how many (`messages`), to be read before anything is done to them."""
    rows = messages.order_by().values("peer__name", "code", "state", "once_only").annotate(messages=Count("id"))
    return list(rows.order_by("-messages"))


def last_reason(message: OutboundMessage) -> str:
    """Why the last try of a message failed: the echo code, the HTTP status or the error."""
    attempt = message.attempts.filter(message_created_at=message.created_at).order_by("-id").first()
    if attempt is None:
        return ""
    return attempt.echo_code or attempt.error or f"HTTP {attempt.http_status}"


def send_again(messages: QuerySet[OutboundMessage], *, now: datetime) -> int:
    """Make dead and rejected messages of a queryset due again with all their tries; returns how many.

    Same serial, same body, before what waits in their lane. Those that are `once_only` stay as they are: a command is
    replayed instead, as a new one. Any number may match: each thousand is a transaction of its own.
    """
    chosen = messages.filter(state__in=STUCK, once_only=False).order_by("id")
    total, last_id = 0, 0
    while ids := list(chosen.filter(pk__gt=last_id).values_list("pk", flat=True)[:BATCH]):
        total += _send_again(ids, now=now)
        last_id = ids[-1]
    return total


@transaction.atomic
def _send_again(ids: list[int], *, now: datetime) -> int:
    still = OutboundMessage.objects.filter(pk__in=ids, state__in=STUCK)
    count = still.update(state=DeliveryState.PENDING, tries=0, finished_at=None, stuck_at=None)
    lanes.reopen(ids, now=now)
    return count


def cancel(messages: QuerySet[OutboundMessage], *, now: datetime) -> int:
    """Withdraw dead and rejected messages of a queryset for good, and pending ones nobody has tried; returns how many.

    A pending command is not a message to cancel: cancel the command, which withdraws its own.
    """
    done = 0
    for pk, state in messages.order_by("id").values_list("pk", "state"):
        if state in STUCK:
            unchanged = OutboundMessage.objects.filter(pk=pk, state__in=STUCK)
            done += unchanged.update(state=DeliveryState.WITHDRAWN, stuck_at=None, withdrawn_at=now)
        elif state == DeliveryState.PENDING:
            done += withdraw(pk, now=now, once_only=False)
    return done


@transaction.atomic
def withdraw(message_id: int, *, now: datetime, once_only: bool = True) -> bool:
    """Take back a message that nobody has claimed yet; False when it may have gone out.

    With `once_only` False such a message is left alone.
    """
    message = OutboundMessage.objects.filter(pk=message_id, state=DeliveryState.PENDING).first()
    if message is None or (message.once_only and not once_only):
        return False
    # A lane that is locked is just being claimed, or is having a message added.
    lane = OutboundLane.objects.select_for_update(skip_locked=True).filter(peer=message.peer_id, lane=message.lane)
    claimed_through = lane.values_list("claimed_through", flat=True).first()
    if claimed_through is None or message.pk <= claimed_through:
        return False
    untouched = OutboundMessage.objects.filter(pk=message_id, state=DeliveryState.PENDING, claimed_at__isnull=True)
    return bool(untouched.update(state=DeliveryState.WITHDRAWN, finished_at=now, withdrawn_at=now))


def backlog() -> list[dict[str, object]]:
    """Per peer that is owed something: lanes (meters) that wait, and since when the oldest does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT peer_id, count(*), min(since) FROM protocol_outboundlane GROUP BY peer_id ORDER BY 1")
        return [dict(zip(("peer_id", "lanes", "since"), row, strict=True)) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """Messages that are alike in what can be done about them, and how many: `tried` ones may have gone out."""

    state: str
    once_only: bool
    tried: bool
    messages: int


def survey(messages: QuerySet[OutboundMessage], *, cap: int) -> list[Surveyed]:
    """What the first `cap` messages of a queryset are, to be read before anything is done to them."""
    counted = messages.order_by("id").values("pk")[:cap]
    tried = Case(When(claimed_at__isnull=True, then=Value(False)), default=Value(True), output_field=BooleanField())
    alike = OutboundMessage.objects.filter(pk__in=counted).annotate(tried=tried)
    rows = alike.order_by().values_list("state", "once_only", "tried").annotate(messages=Count("pk"))
    return sorted((Surveyed(*row) for row in rows), key=lambda row: (row.state, row.once_only, row.tried))
