"""The daily settlement (R9, R10): set-based, chunk by chunk, each chunk one transaction.

Every meter is settled from its first unsettled day; late readings and backdated prices only move that day back. So a
run that was interrupted, missed days, and corrections all take this one path. A chunk locks its accounts first: an
intake that adds a reading holds the same lock, so no reading falls between being stored and being settled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from pricing.models import PriceVersion
from readings import settlement_sql as sql


class DayInFuture(ValueError):
    def __init__(self, day: date) -> None:
        super().__init__(f"{day} has not begun yet: nothing can be settled through it")


@dataclass(frozen=True, slots=True)
class Settled:
    """What a run did: days with a reading, over all meters, and the meters that were due."""

    meter_days: int
    meters: int


def settle(*, through: date, now: datetime) -> Settled:
    """Settle every meter through `through` (local day, inclusive). Running it again changes nothing.

    The running day may be settled too: its later readings make it due again. Raises DayInFuture.
    """
    if through > timezone.localdate(now):
        raise DayInFuture(through)
    _take_up_price_versions(through=through, now=now)
    meter_days = meters = 0
    for first, last in _chunks(through):
        settled = _settle_chunk(first, last, through=through)
        meter_days += settled.meter_days
        meters += settled.meters
    return Settled(meter_days=meter_days, meters=meters)


def _take_up_price_versions(*, through: date, now: datetime) -> None:
    """A version that begins on a day already settled makes that day and those after it due again."""
    fresh = PriceVersion.objects.filter(applied_at__isnull=True, effective_from__lte=through)
    for version in fresh.order_by("effective_from"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql.MOVE_BACK_FOR_PRICE, {"price": version.price_id, "begins": version.effective_from})
            PriceVersion.objects.filter(pk=version.pk).update(applied_at=now)


def _chunks(through: date) -> Iterator[tuple[int, int]]:
    """Ranges of meter ids that hold at most SETTLEMENT_CHUNK_METERS due meters each."""
    with connection.cursor() as cursor:
        cursor.execute(sql.CHUNKS, {"through": through, "size": settings.SETTLEMENT_CHUNK_METERS})
        yield from cursor.fetchall()


def settle_meter(meter_id: int, *, through: date) -> Settled:
    """Settle one meter, in the running transaction of a change that needs its figures now."""
    return _settle_chunk(meter_id, meter_id, through=through)


@transaction.atomic
def _settle_chunk(first: int, last: int, *, through: date) -> Settled:
    parameters: dict[str, Any] = {
        "first": first,
        "last": last,
        "through": through,
        "zone": settings.TIME_ZONE,
    }
    with connection.cursor() as cursor:
        for statement in sql.STEPS:
            cursor.execute(statement, parameters)
        cursor.execute(sql.COUNTS)
        meter_days, meters = cursor.fetchone()
        cursor.execute(sql.CLEAR)
    return Settled(meter_days=meter_days, meters=meters)
