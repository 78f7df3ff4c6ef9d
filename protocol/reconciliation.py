"""Has a CIS got what it was owed? Per day and company: what was made, what became of it, and sending it again (R15)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from protocol import lanes
from protocol.models import Company, DeliveryState, OutboundMessage, Peer
from protocol.undelivered import BATCH

_REPORT = """
    SELECT p.app_code, m.code, count(*),
           count(*) FILTER (WHERE m.state = 'delivered'), count(*) FILTER (WHERE m.state = 'pending'),
           count(*) FILTER (WHERE m.state = 'rejected'), count(*) FILTER (WHERE m.state = 'dead'),
           count(*) FILTER (WHERE m.state = 'withdrawn')
    FROM protocol_outboundmessage m JOIN protocol_peer p ON p.id = m.peer_id
    WHERE m.created_at >= %(begin)s AND m.created_at < %(end)s AND m.company_id = %(company)s
      AND m.peer_id = ANY(%(peers)s)
    GROUP BY p.app_code, m.code
    ORDER BY p.app_code, m.code
"""
_SENDABLE_AGAIN = (DeliveryState.DELIVERED, DeliveryState.REJECTED, DeliveryState.DEAD)


@dataclass(frozen=True, slots=True)
class Line:
    """Messages of one code to one peer, made on a day: how many, and how many are in each state."""

    peer: str
    code: str
    made: int
    delivered: int
    pending: int
    rejected: int
    dead: int
    withdrawn: int


def report(*, company: Company, day: date) -> list[Line]:
    """What was made about meters of `company` on `day` (of the platform's zone), by peer and message code."""
    begin, end = day_of(day)
    peers = list(company.peers.values_list("pk", flat=True))
    values: dict[str, Any] = {"begin": begin, "end": end, "peers": peers, "company": company.pk}
    with connection.cursor() as cursor:
        cursor.execute(_REPORT, values)
        return [Line(*row) for row in cursor.fetchall()]


def day_of(day: date) -> tuple[datetime, datetime]:
    """From its midnight up to the next."""
    begin, end = (timezone.make_aware(datetime.combine(d, time())) for d in (day, day + timedelta(days=1)))
    return begin, end


def resend_serials(serials: Iterable[str], *, company: Company, now: datetime) -> int:
    """Send again what the CIS of `company` says it lacks, by serial; returns how many.

    Delivered ones too: same serial, same body, so that a CIS that has them after all takes them once. What is
    `once_only`, withdrawn or still pending is left alone.
    """
    chosen, total = list(dict.fromkeys(serials)), 0
    for start in range(0, len(chosen), BATCH):
        messages = by_serial(chosen[start : start + BATCH], company=company)
        total += resend(list(messages.values_list("pk", flat=True)), now=now)
    return total


def resend_day(
    *, company: Company, day: date, codes: Sequence[str], states: Sequence[str] = _SENDABLE_AGAIN, now: datetime
) -> int:
    """Send again all messages of these codes made on `day`, in any of these states; returns how many."""
    chosen, total, last_id = by_day(company=company, day=day, codes=codes).filter(state__in=states), 0, 0
    while ids := list(chosen.filter(pk__gt=last_id).values_list("pk", flat=True)[:BATCH]):
        total += resend(ids, now=now)
        last_id = ids[-1]
    return total


def by_serial(serials: Sequence[str], *, company: Company) -> QuerySet[OutboundMessage]:
    """Of these serials, what can be sent again to the peers of `company`."""
    peers = Peer.objects.filter(companies=company)
    return _again(OutboundMessage.objects.filter(serial_no__in=serials, peer__in=peers), company)


def by_day(*, company: Company, day: date, codes: Sequence[str]) -> QuerySet[OutboundMessage]:
    """Of the messages of these codes made on `day`, what can be sent again to the peers of `company`."""
    begin, end = day_of(day)
    peers = list(company.peers.values_list("pk", flat=True))
    messages = OutboundMessage.objects.filter(created_at__gte=begin, created_at__lt=end, peer__in=peers, code__in=codes)
    return _again(messages, company)


def _again(messages: QuerySet[OutboundMessage], company: Company) -> QuerySet[OutboundMessage]:
    """Those about the company itself: a peer may serve several."""
    return messages.filter(company=company, once_only=False, state__in=_SENDABLE_AGAIN).order_by("id")


@transaction.atomic
def resend(ids: Sequence[int], *, now: datetime) -> int:
    """Make these due again, those that still can be: one transaction, so a thousand at most. Returns how many."""
    still = OutboundMessage.objects.filter(pk__in=ids, state__in=_SENDABLE_AGAIN, once_only=False)
    count = still.update(state=DeliveryState.PENDING, tries=0, finished_at=None, stuck_at=None)
    lanes.reopen(ids, now=now)
    return count
