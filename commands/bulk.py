"""One valve wish for many meters: chosen once, shown as a dry run, then asked meter by meter, at most once each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT

from commands.kinds import VALVE_CODES
from commands.models import (
    WAITING,
    BulkCommand,
    BulkOutcome,
    BulkRow,
    BulkState,
    Command,
    CommandKind,
    Origin,
)
from commands.queue import Request, submit
from meters.accounts import lock_account
from meters.finding import MeterUnknown
from meters.models import Meter, MeterStatus, ValveState
from protocol.models import Company, Manufacturer
from protocol.outbox import headend_of
from staff.acts import put_on_record

MOST_METERS: Final = 50_000
ROWS_PER_RUN: Final = 500
DRAFT_LIFE: Final = timedelta(days=1)
ROWS_PER_INSERT: Final = 5_000


class TooManyMeters(ValueError):
    """More than MOST_METERS are chosen."""


class BulkMoved(RuntimeError):
    """The bulk is no longer in the state from which this could be done: somebody was quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides whether a meter is asked; `under_way` is the wish of its last waiting valve command (R8 code)."""

    active: bool
    valve: str
    under_way: str | None
    reachable: bool


def outcome_for(facts: Facts, wish: ValveState) -> BulkOutcome:
    """WAITING for a meter that is to be asked, otherwise the reason why it is left alone."""
    if not facts.active:
        return BulkOutcome.ENDED
    if facts.under_way == VALVE_CODES[wish]:
        return BulkOutcome.UNDER_WAY
    if facts.under_way is None and facts.valve == wish:
        return BulkOutcome.ALREADY
    return BulkOutcome.WAITING if facts.reachable else BulkOutcome.NO_ROUTE


@transaction.atomic
def draft(meters: QuerySet[Meter], *, wish: ValveState, by: User, selection: str, now: datetime) -> BulkCommand:
    """The dry run: these meters and what would become of each. Nothing is asked of any. Raises TooManyMeters."""
    chosen = list(meters.order_by("pk").values_list("pk", flat=True)[: MOST_METERS + 1])
    if len(chosen) > MOST_METERS:
        raise TooManyMeters
    bulk = BulkCommand.objects.create(
        wish=wish, created_by=by, created_at=now, selection=selection[:500], total=len(chosen)
    )
    companies: set[int] = set()
    for first in range(0, len(chosen), ROWS_PER_INSERT):
        rows = []
        for pk, company, facts in _facts_of(chosen[first : first + ROWS_PER_INSERT]):
            companies.add(company)
            rows.append(BulkRow(bulk=bulk, meter_id=pk, outcome=outcome_for(facts, wish)))
        BulkRow.objects.bulk_create(rows)
    bulk.companies.set(companies)
    return bulk


def _facts_of(keys: list[int]) -> Iterator[tuple[int, int, Facts]]:
    """(meter, company, facts) of these meters, in the order of their keys."""
    routes: dict[tuple[int, int], bool] = {}
    fields = ("pk", "company", "manufacturer", "status", "state__valve", "state__reported_at", "under_way")
    meters = Meter.objects.filter(pk__in=keys).annotate(under_way=_under_way(OuterRef("pk"))).order_by("pk")
    for pk, company, manufacturer, status, valve, reported_at, under_way in meters.values_list(*fields):
        if (manufacturer, company) not in routes:
            routes[manufacturer, company] = _has_headend(manufacturer, company)
        reachable = reported_at is not None or routes[manufacturer, company]
        active = status == MeterStatus.ACTIVE
        yield pk, company, Facts(active=active, valve=valve or "", under_way=under_way, reachable=reachable)


def _under_way(meter: OuterRef | int) -> Subquery:
    waiting = Command.objects.filter(meter=meter, kind=CommandKind.VALVE, state__in=WAITING).order_by("-pk")
    return Subquery(waiting.annotate(wished=KT("payload__valveSet")).values("wished")[:1])


def _has_headend(manufacturer: int, company: int) -> bool:
    return headend_of(Manufacturer(pk=manufacturer), Company(pk=company)) is not None


@transaction.atomic
def start(bulk: BulkCommand, *, by: User, now: datetime) -> None:
    """Let a draft run. Raises BulkMoved when it has been started or cancelled already."""
    _move(bulk, BulkState.DRAFT, BulkState.RUNNING, started_at=now)
    _record(bulk, by=by, act="bulk.start")


@transaction.atomic
def cancel_bulk(bulk: BulkCommand, *, by: User, now: datetime) -> None:
    """Ask no further meter; what has been asked stays asked. Raises BulkMoved when it is over already."""
    if bulk.state not in (BulkState.DRAFT, BulkState.RUNNING):
        raise BulkMoved
    _move(bulk, BulkState(bulk.state), BulkState.CANCELLED, finished_at=now)
    left = BulkRow.objects.filter(bulk=bulk, outcome=BulkOutcome.WAITING).update(outcome=BulkOutcome.CANCELLED)
    _record(bulk, by=by, act="bulk.cancel", not_asked=left)


def _move(bulk: BulkCommand, source: BulkState, target: BulkState, **changes: datetime) -> None:
    if not BulkCommand.objects.filter(pk=bulk.pk, state=source).update(state=target, **changes):
        raise BulkMoved
    bulk.refresh_from_db()


def _record(bulk: BulkCommand, *, by: User, act: str, **further: int) -> None:
    companies = list(bulk.companies.all()[:2])
    put_on_record(
        by=by,
        act=act,
        target=bulk,
        company=companies[0] if len(companies) == 1 else None,
        after={"wish": bulk.wish, "meters": bulk.total, "selection": bulk.selection, **further},
    )


def carry_out(*, clock: Callable[[], datetime]) -> int:
    """Ask the next ROWS_PER_RUN meters of each running bulk, each in a transaction of its own; returns how many.

    Several may run at once, and any may be killed: a row is taken by one of them, and counts with its command.
    """
    looked_at = 0
    for bulk in BulkCommand.objects.filter(state=BulkState.RUNNING).order_by("pk"):
        for _ in range(ROWS_PER_RUN):
            if not ask_next(bulk, now=clock()):
                break
            looked_at += 1
        _finish(bulk, now=clock())
    return looked_at


@transaction.atomic
def ask_next(bulk: BulkCommand, *, now: datetime) -> bool:
    """Ask the next meter that nobody else is asking; False when there is none."""
    rows = BulkRow.objects.select_for_update(skip_locked=True, of=("self",))
    row = rows.filter(bulk=bulk, outcome=BulkOutcome.WAITING).order_by("pk").first()
    if row is None:
        return False
    # Asked once the row is held, so that a cancellation that came first is seen.
    if not BulkCommand.objects.filter(pk=bulk.pk, state=BulkState.RUNNING).exists():
        return False
    row.outcome, row.command = _ask(row, wish=ValveState(bulk.wish), by=bulk.created_by, now=now)
    row.save(update_fields=["outcome", "command"])
    return True


def _ask(row: BulkRow, *, wish: ValveState, by: User, now: datetime) -> tuple[BulkOutcome, Command | None]:
    try:
        meter = lock_account(Meter(pk=row.meter_id)).meter
    except MeterUnknown:
        return BulkOutcome.ENDED, None
    _, _, facts = next(_facts_of([meter.pk]))
    outcome = outcome_for(facts, wish)
    if outcome != BulkOutcome.WAITING:
        return outcome, None
    payload = {"valveSet": VALVE_CODES[wish]}
    request = Request(kind=CommandKind.VALVE, payload=payload, origin=Origin.STAFF, requested_by=by)
    return BulkOutcome.ASKED, submit(meter, request, now=now)


def _finish(bulk: BulkCommand, *, now: datetime) -> None:
    if not BulkRow.objects.filter(bulk=bulk, outcome=BulkOutcome.WAITING).exists():
        BulkCommand.objects.filter(pk=bulk.pk, state=BulkState.RUNNING).update(state=BulkState.DONE, finished_at=now)


def forget_drafts(*, now: datetime) -> int:
    """Delete the dry runs that nobody started for a day; returns how many rows went."""
    old = BulkCommand.objects.filter(state=BulkState.DRAFT, created_at__lt=now - DRAFT_LIFE)
    return old.delete()[0]


@dataclass(frozen=True, slots=True)
class Progress:
    """Meters by outcome, and the commands of those that were asked by state."""

    outcomes: dict[str, int]
    commands: dict[str, int]

    @property
    def left(self) -> int:
        return self.outcomes.get(BulkOutcome.WAITING, 0)


def progress_of(bulk: BulkCommand) -> Progress:
    rows = BulkRow.objects.filter(bulk=bulk)
    outcomes = dict(rows.order_by().values_list("outcome").annotate(Count("pk")))
    asked = rows.filter(outcome=BulkOutcome.ASKED).order_by()
    return Progress(outcomes, dict(asked.values_list("command__state").annotate(Count("pk"))))
