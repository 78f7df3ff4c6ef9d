"""Settlement against the slow model: whatever comes, in whatever order, with settlements in between.

SETTLEMENT_EXAMPLES sets how many cases are tried.
"""

import os
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

from meters.models import Account, AccountEntry, Meter
from readings.models import DailyUsage, Reading
from readings.repricing import change_price
from tests.readings import books, slow_model
from tests.readings.settlement_cases import (
    JUMP_LIMIT,
    LAST,
    OTHER_PRICE,
    PRICE,
    Case,
    Event,
    PriceChangeEvent,
    ReportEvent,
    SettleEvent,
    VersionEvent,
    cases,
)
from tests.world import World

EXAMPLES = int(os.environ.get("SETTLEMENT_EXAMPLES", "60"))


class _Undone(Exception):
    """Ends a case and takes back what it wrote."""


@pytest.fixture
def jump_limit(settings):
    """Set once, not for each case."""
    settings.READING_JUMP_LIMIT_M3_PER_DAY = JUMP_LIMIT


# Without the shrinking, which takes minutes; add Phase.shrink to make a failing case small.
@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_settlement_equals_the_slow_model(world: World, jump_limit: None, case: Case):
    try:
        with transaction.atomic():
            _check(world, case)
            raise _Undone
    except _Undone:
        pass


def _check(world: World, case: Case) -> None:
    meters = _open(world, case)
    for number, event in enumerate(case.events, start=1):
        _happen(world, meters, event)
        if isinstance(event, SettleEvent):
            _compare(meters, case, case.events[:number], through=event.day)
    for _ in range(2):
        books.settle_through(LAST)
        _compare(meters, case, case.events, through=LAST)
        _compare_accounts(meters, case)


def _open(world: World, case: Case) -> list[Meter]:
    for code, version in case.prices.items():
        books.make_price(world, *version.tiers, code=code, months=version.months)
    return [
        books.make_meter(
            world,
            f"{number:012d}",
            born=_moment(birth.born),
            index=birth.index,
            used_before=birth.used_before,
            price=PRICE,
        )
        for number, birth in enumerate(case.births)
    ]


def _happen(world: World, meters: list[Meter], event: Event) -> None:
    match event:
        case ReportEvent(meter, moment, index, backfill):
            books.read(meters[meter], _moment(moment), index, backfill=dict(backfill))
        case VersionEvent(price, version):
            tiers, months, restarts = version.tiers, version.months, version.restarts
            books.add_version(world, event.day, *tiers, code=price, months=months, restarts=restarts)
        case PriceChangeEvent(meter, day):
            other = world.company.prices.get(code=OTHER_PRICE)
            change_price(meters[meter], price=other, now=_moment(datetime.combine(day, time())))
        case SettleEvent(day):
            books.settle_through(day)


def _moment(naive: datetime) -> datetime:
    return books.local(str(naive))


def _compare(meters: list[Meter], case: Case, events: Sequence[Event], *, through: date) -> None:
    """Verdicts and rows are what the slow model makes of the events so far; later days may be due again."""
    for number, meter in enumerate(meters):
        life, seen = case.life(number, events), case.seen(number, events)
        stored = {(one.read_at, one.index): str(one.quality) for one in Reading.objects.filter(meter=meter)}
        judged = slow_model.verdicts(life, seen)
        assert stored == {(_moment(one.moment), one.index): verdict for one, verdict in judged.items()}
        rows = DailyUsage.objects.filter(meter=meter, day__lte=through).order_by("day", "tier")
        assert [
            slow_model.Row(one.day, one.tier, one.volume, one.unit_price, one.amount) for one in rows
        ] == slow_model.rows(life, seen, through=through)


def _compare_accounts(meters: list[Meter], case: Case) -> None:
    for number, meter in enumerate(meters):
        life = case.life(number, case.events)
        rows = slow_model.rows(life, case.seen(number, case.events), through=LAST)
        volume, amount = (sum((getattr(row, name) for row in rows), Decimal(0)) for name in ("volume", "amount"))
        account = Account.objects.get(meter=meter)
        assert (account.settled_volume, account.settled_amount, account.balance) == (volume, amount, -amount)
        entries = AccountEntry.objects.filter(meter=meter).aggregate(sum=Sum("amount", default=Decimal(0)))
        assert entries["sum"] == -amount
        assert (account.settled_through, account.unsettled_from) == (LAST, LAST + timedelta(days=1))
        assert account.settled_index == life.index + volume
