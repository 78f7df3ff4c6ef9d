"""What staff do to outbound messages: chosen ones or all that match, counted first, in bounded batches, on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from protocol import undelivered
from protocol.models import DeliveryState, OutboundMessage
from protocol.undelivered import STUCK, Surveyed
from staff.acts import Fact, Facts, name_acts, name_facts, put_on_record
from staff.filter_words import filter_words
from staff.permissions import SEND_AGAIN, WITHDRAW_MESSAGE

# What one confirmation does at most, and what is counted: more takes longer than anyone waits for a page.
MOST = 10_000
# Up to here each message has a record of its own.
ONE_BY_ONE = 50


@dataclass(frozen=True)
class MessageAct:
    """`able` are those it can be done to; `skips` says why it is not done to others."""

    name: str
    label: Any
    says: Any
    permission: str
    able: Q
    skips: Callable[[Surveyed], Any]
    do: Callable[[QuerySet[OutboundMessage], datetime], int]
    batch: int


def _not_sent(row: Surveyed) -> Any:
    if row.state == DeliveryState.DELIVERED:
        return _("already delivered")
    if row.state == DeliveryState.WITHDRAWN:
        return _("withdrawn")
    if row.state == DeliveryState.PENDING:
        return _("still waiting to be sent")
    return _("once only: ask again with a new command instead") if row.once_only else None


def _not_withdrawn(row: Surveyed) -> Any:
    if row.state == DeliveryState.DELIVERED:
        return _("already delivered")
    if row.state == DeliveryState.WITHDRAWN:
        return _("already withdrawn")
    if row.state == DeliveryState.PENDING and row.once_only:
        return _("a command: cancel the command itself")
    return _("may have gone out") if row.state == DeliveryState.PENDING and row.tried else None


SEND = MessageAct(
    name="outbound.send_again",
    label=_("Send again"),
    says=_("Each is sent again under its own serial number with all its tries, in the order of its meter."),
    permission=SEND_AGAIN,
    able=Q(stuck_at__isnull=False, state__in=STUCK, once_only=False),
    skips=_not_sent,
    do=lambda messages, now: undelivered.send_again(messages, now=now),
    batch=undelivered.BATCH,
)
WITHDRAW = MessageAct(
    name="outbound.withdraw",
    label=_("Withdraw"),
    says=_("They are not sent any more, for good. The peer never learns what they say."),
    permission=WITHDRAW_MESSAGE,
    able=Q(stuck_at__isnull=False, state__in=STUCK)
    | Q(state=DeliveryState.PENDING, once_only=False, claimed_at__isnull=True),
    skips=_not_withdrawn,
    do=lambda messages, now: undelivered.cancel(messages, now=now),
    # It locks as many lanes as it has messages.
    batch=100,
)
name_acts({act.name: act.label for act in (SEND, WITHDRAW)})


def _filter_words(query: str, facts: Facts) -> str:
    """That of a list; serial numbers and peers, which reconciliation names, as they are."""
    return filter_words(OutboundMessage, query) if query[:1] == "?" else query


name_facts({"filter": Fact(_("filter"), _filter_words)})


@dataclass(frozen=True)
class Plan:
    """How many it would be done to, and how many are skipped for which reason; both counted up to MOST."""

    count: int
    more: bool
    skipped: Sequence[tuple[Any, int]]


def plan(act: MessageAct, messages: QuerySet[OutboundMessage]) -> Plan:
    able = messages.filter(act.able).order_by("pk").values("pk")[: MOST + 1].count()
    skipped: dict[str, tuple[Any, int]] = {}
    for row in undelivered.survey(messages, cap=MOST):
        if (why := act.skips(row)) is not None:
            skipped[str(why)] = (why, skipped.get(str(why), (why, 0))[1] + row.messages)
    return Plan(min(able, MOST), able > MOST, list(skipped.values()))


def perform(act: MessageAct, messages: QuerySet[OutboundMessage], *, by: User, chosen: str, now: datetime) -> int:
    """Do it to the first MOST that it can be done to; returns to how many. `chosen` says on record how they were found.

    Each batch is a transaction of its own, its record included.
    """
    able = messages.filter(act.able).defer("body", "answer").order_by("peer", "company", "pk")
    rows = list(able[:MOST])
    if len(rows) <= ONE_BY_ONE:
        return sum(_one(act, row, by=by, chosen=chosen, now=now) for row in rows)
    done = 0
    for _parties, between in groupby(rows, key=lambda row: (row.peer_id, row.company_id)):
        mine = list(between)
        for start in range(0, len(mine), act.batch):
            batch = mine[start : start + act.batch]
            done += _many(act, batch, by=by, chosen=chosen, now=now)
    return done


@transaction.atomic
def _one(act: MessageAct, row: OutboundMessage, *, by: User, chosen: str, now: datetime) -> int:
    done = act.do(OutboundMessage.objects.filter(pk=row.pk), now)
    if done:
        after = OutboundMessage.objects.values_list("state", flat=True).get(pk=row.pk)
        put_on_record(
            by=by,
            act=act.name,
            target=row,
            company=row.company,
            before={"state": row.state},
            after={"state": after, "filter": chosen},
        )
    return done


@transaction.atomic
def _many(act: MessageAct, rows: Sequence[OutboundMessage], *, by: User, chosen: str, now: datetime) -> int:
    """Of one company and peer, which is the target on record."""
    done = act.do(OutboundMessage.objects.filter(pk__in=[row.pk for row in rows]), now)
    if done:
        facts = {"messages": done, "filter": chosen}
        put_on_record(by=by, act=act.name, target=rows[0].peer, company=rows[0].company, after=facts)
    return done
