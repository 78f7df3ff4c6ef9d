"""Settlement against the slow model: whatever comes, in whatever order, with settlements in between.

SETTLEMENT_EXAMPLES sets how many cases are tried.
"""

import os
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

from meters.models import Account, Meter, MeterPrice
from readings.models import DailyUsage, Reading
from tests.readings import books, slow_model
from tests.readings.settlement_cases import JUMP_LIMIT, LAST, OTHER_PRICE, PRICE, Case, ReportEvent, VersionEvent, cases
from tests.readings.slow_model import Life, Seen
from tests.world import World

EXAMPLES = int(os.environ.get("SETTLEMENT_EXAMPLES", "60"))


class _Undone(Exception):
    """Ends a case and takes back what it wrote."""


# Without the shrinking, which takes minutes; add Phase.shrink to make a failing case small.
@hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_settlement_equals_the_slow_model(world: World, settings, case: Case):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = JUMP_LIMIT
    try:
        with transaction.atomic():
            _check(world, case)
            raise _Undone
    except _Undone:
        pass


def _check(world: World, case: Case) -> None:
    meters = _open(world, case)
    arrived: list[list[Seen]] = [[] for _ in meters]
    for event in case.events:
        if isinstance(event, ReportEvent):
            arrived[event.meter] += event.seen()
            books.read(meters[event.meter], _moment(event.moment), event.index, backfill=dict(event.backfill))
        elif isinstance(event, VersionEvent):
            version = event.version
            books.add_version(
                world,
                version.begins,
                *version.tiers,
                code=event.price,
                months=version.months,
                restarts=version.restarts,
            )
        else:
            books.settle_through(event.through)
    for _ in range(2):
        books.settle_through(LAST)
        for meter, life, seen in zip(meters, case.lives, arrived, strict=True):
            _compare(meter, life, seen)


def _open(world: World, case: Case) -> list[Meter]:
    for code, version in case.prices.items():
        books.make_price(world, *version.tiers, code=code, months=version.months)
    meters = []
    for number, life in enumerate(case.lives):
        meter = books.make_meter(
            world,
            f"{number:012d}",
            born=_moment(life.born),
            index=life.index,
            used_before=life.used_before,
            price=PRICE,
        )
        for starts, _ in life.prices[1:]:
            price = world.company.prices.get(code=OTHER_PRICE)
            MeterPrice.objects.filter(meter=meter).update(ends=starts)
            MeterPrice.objects.create(meter=meter, price=price, starts=starts)
        meters.append(meter)
    return meters


def _moment(naive: datetime) -> datetime:
    return books.local(str(naive))


def _compare(meter: Meter, life: Life, seen: list[Seen]) -> None:
    judged = slow_model.verdicts(life, seen)
    stored = {(one.read_at, one.index): str(one.quality) for one in Reading.objects.filter(meter=meter)}
    assert stored == {(_moment(one.moment), one.index): verdict for one, verdict in judged.items()}
    expected = slow_model.rows(life, seen, through=LAST)
    rows = DailyUsage.objects.filter(meter=meter).order_by("day", "tier")
    assert [slow_model.Row(one.day, one.tier, one.volume, one.unit_price, one.amount) for one in rows] == expected
    account = Account.objects.get(meter=meter)
    volume, amount = (sum((getattr(row, name) for row in expected), Decimal(0)) for name in ("volume", "amount"))
    assert (account.settled_volume, account.settled_amount, account.balance) == (volume, amount, -amount)
    assert (account.settled_through, account.unsettled_from) == (LAST, LAST + timedelta(days=1))
    assert account.settled_index == life.index + volume
