"""The daily settlement (R9, R10): set-based, chunk by chunk, each chunk one transaction.

Every meter is settled from its first unsettled day; late readings and backdated prices only move that day back. So a
run that was interrupted, missed days, and corrections all take this one path. A chunk locks its accounts first: an
intake that adds a reading holds the same lock, so no reading falls between being stored and being settled.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from commands.arrears import close_in_arrears
from meters.models import Account
from pricing.models import PriceVersion
from protocol.transactions import atomically, broken_off
from readings import settlement_sql as sql

logger = logging.getLogger(__name__)


class DayInFuture(ValueError):
    def __init__(self, day: date) -> None:
        super().__init__(f"{day} has not begun yet: nothing can be settled through it")


class SettlementIncomplete(RuntimeError):
    """Some chunks failed and are still due; the log says why."""

    def __init__(self, failed: int, chunks: int) -> None:
        super().__init__(f"{failed} of {chunks} chunks of meters could not be settled; they are still due")


@dataclass(frozen=True, slots=True)
class Settled:
    """What a run did: days with a reading, over all meters, and the meters that were due."""

    meter_days: int
    meters: int


def settle(*, through: date, now: datetime) -> Settled:
    """Settle every meter through `through` (local day, inclusive) and close the valves of those in arrears (R11).

    Running it again changes nothing.

    The running day may be settled too: its later readings make it due again. Raises DayInFuture; SettlementIncomplete
    when the database refused some chunk, after all others have been settled.
    """
    if through > timezone.localdate(now):
        raise DayInFuture(through)
    _take_up_price_versions(through=through, now=now)
    chunks = [
        *_settle_chunks(_chunks(through, heirs=False), through=through, heirs=False),
        *_settle_chunks(_chunks(through, heirs=True), through=through, heirs=True),
    ]
    close_in_arrears(now=now)
    settled = [chunk for chunk in chunks if chunk is not None]
    if len(settled) < len(chunks):
        raise SettlementIncomplete(len(chunks) - len(settled), len(chunks))
    return Settled(sum(chunk.meter_days for chunk in settled), sum(chunk.meters for chunk in settled))


def _settle_chunks(chunks: list[tuple[int, int]], *, through: date, heirs: bool) -> list[Settled | None]:
    """Several chunks at a time, each on a connection of its own; inside a transaction one after another on its own."""
    if connection.in_atomic_block or min(len(chunks), settings.SETTLEMENT_CONNECTIONS) < 2 or heirs:
        return [_try_chunk(chunk, through=through, heirs=heirs) for chunk in chunks]

    waiting = iter(chunks)

    def session() -> list[Settled | None]:
        try:
            return [_try_chunk_apart(chunk, through=through, heirs=heirs) for chunk in waiting]
        finally:
            connection.close()

    with ThreadPoolExecutor(settings.SETTLEMENT_CONNECTIONS) as threads:
        sessions = [threads.submit(session) for _ in range(settings.SETTLEMENT_CONNECTIONS)]
        return [settled for each in sessions for settled in each.result()]


def _try_chunk_apart(chunk: tuple[int, int], *, through: date, heirs: bool) -> Settled | None:
    """On a connection that the thread keeps for its next chunk, unless this one failed: it may be what broke."""
    settled = _try_chunk(chunk, through=through, heirs=heirs)
    if settled is None:
        connection.close()
    return settled


def _try_chunk(chunk: tuple[int, int], *, through: date, heirs: bool) -> Settled | None:
    """None when the chunk could not be settled: the meters of others must not wait for that."""
    try:
        return _settle_chunk(*chunk, through=through, heirs=heirs)
    except DatabaseError as error:
        if connection.in_atomic_block and broken_off(error):
            raise
        logger.exception("meters %s to %s could not be settled", *chunk)
        return None


def _take_up_price_versions(*, through: date, now: datetime) -> None:
    """A version that begins on a day already settled makes that day and those after it due again."""
    fresh = PriceVersion.objects.filter(applied_at__isnull=True, effective_from__lte=through)
    for version in fresh.order_by("effective_from"):
        _take_up(version, now=now)


@atomically
def _take_up(version: PriceVersion, *, now: datetime) -> None:
    with connection.cursor() as cursor:
        parameters = {"price": version.price_id, "begins": version.effective_from}
        cursor.execute(sql.LOCK_FOR_PRICE, parameters)
        cursor.execute(sql.MOVE_BACK_FOR_PRICE, parameters)
    PriceVersion.objects.filter(pk=version.pk).update(applied_at=now)


def _chunks(through: date, *, heirs: bool) -> list[tuple[int, int]]:
    """Ranges of meter ids that hold about SETTLEMENT_CHUNK_METERS due meters each: some hundredths more at most."""
    size = settings.SETTLEMENT_CHUNK_METERS
    with connection.cursor() as cursor:
        cursor.execute(sql.CHUNKS, {"through": through, "heirs": heirs, "size": size, "block": max(size // 50, 1)})
        return cursor.fetchall()


def settle_meter(meter_id: int, *, through: date) -> Settled:
    """Settle one meter, in the running transaction of a change that needs its figures now."""
    heir = Account.objects.values_list("is_heir", flat=True).get(meter=meter_id)
    return _settle_chunk(meter_id, meter_id, through=through, heirs=heir)


@atomically
def _settle_chunk(first: int, last: int, *, through: date, heirs: bool) -> Settled:
    parameters: dict[str, Any] = {
        "first": first,
        "last": last,
        "heirs": heirs,
        "through": through,
        "zone": settings.TIME_ZONE,
    }
    with connection.cursor() as cursor:
        for statement in sql.STEPS:
            fact = sql.ONLY_WITH.get(statement)
            if fact is None or parameters[fact]:
                cursor.execute(statement, parameters)
            if statement in sql.FACTS:
                parameters |= zip((column.name for column in cursor.description), cursor.fetchone(), strict=True)
        cursor.execute(sql.CLEAR)
    return Settled(meter_days=parameters["meter_days"], meters=parameters["meters"])
