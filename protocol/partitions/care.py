"""Making partitions ahead, rescuing rows from the default one, dropping what need not be kept.

Every step is a short transaction that waits for locks no longer than LOCK_TIMEOUT_MS: queries queue behind a waiting
lock. What could not be done now is done in the next round.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.utils import OperationalError
from django.utils import timezone
from psycopg.errors import DeadlockDetected, LockNotAvailable

from protocol.partitions.catalog import (
    columns_of,
    partitioned_by,
    partitions_of,
    rows_in_default,
    spans_of,
    spans_with_rows,
)
from protocol.partitions.declared import STRAY_DAYS, PartitionedTable, Span, declared_table, declared_tables
from protocol.partitions.needed import has_rows_not_final, is_needed

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_MS = 400
# More rows of one span than this are not moved out of the default partition by beat: writers would wait too long.
RESCUE_LIMIT = 200_000


@dataclass(slots=True)
class Care:
    """What a round did: names of partitions, rows moved out of default partitions, what has to wait for a lock, and
    what is kept beyond its time for rows that are not final."""

    made: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    rescued: int = 0
    postponed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def tend_partitions(
    *,
    now: datetime,
    tables: Iterable[PartitionedTable] | None = None,
    since: datetime | None = None,
    rescue_all: bool = False,
) -> Care:
    """One round over all declared tables, or `tables`: make ahead, rescue, drop.

    `since`: partitions are made from there on, before an import of old rows. `rescue_all` moves any number of rows
    out of the default partition, while writers wait.
    """
    care = Care()
    for table in _in_use(tables):
        _make_default(table, care)
        _make(table, _wanted(table, now=now, since=since), care)
        _rescue(table, now=now, limit=None if rescue_all else RESCUE_LIMIT, care=care)
        _drop_past(table, now=now, care=care)
    return care


def make_partitions(*, now: datetime, tables: Iterable[PartitionedTable] | None = None) -> Care:
    """Only make what is missing from PARTITIONS_AHEAD_DAYS ahead: what `migrate` does."""
    care = Care()
    for table in _in_use(tables):
        _make_default(table, care)
        _make(table, _wanted(table, now=now, since=None), care)
    return care


def make_partitions_for(moments: Iterable[datetime], *, label: str, now: datetime) -> Care:
    """Make those of one table (model label) in which rows of these moments will lie; strays and the future get none."""
    care = Care()
    for table in _in_use([declared_table(label)]):
        since, existing = rescued_since(table, now=now), spans_of(table.table)
        spans = {table.interval.span(moment) for moment in moments if since <= moment <= now}
        _make(table, [gap for span in sorted(spans) for gap in span.without(existing)], care)
    return care


def after_migrate(**kwargs: Any) -> None:
    """Also for test databases, and after each flush of one."""
    make_partitions(now=timezone.now())


def _in_use(tables: Iterable[PartitionedTable] | None) -> list[PartitionedTable]:
    return [table for table in (declared_tables() if tables is None else tables) if partitioned_by(table.table)]


def _wanted(table: PartitionedTable, *, now: datetime, since: datetime | None) -> list[Span]:
    begins = min(since, table.first_wanted(now)) if since else table.first_wanted(now)
    ahead = now + timedelta(days=settings.PARTITIONS_AHEAD_DAYS)
    existing = spans_of(table.table)
    return [gap for span in table.interval.spans(begins, ahead) for gap in span.without(existing)]


def _make_default(table: PartitionedTable, care: Care) -> None:
    if table.default in [partition.name for partition in partitions_of(table.table)]:
        return
    with _postponing(table.default, care), _impatient() as cursor:
        create_default(cursor, table)
        care.made.append(table.default)


def _make(table: PartitionedTable, spans: list[Span], care: Care) -> None:
    for span in spans:
        name = table.name_of(span)
        with _postponing(name, care):
            moved = make_partition(table, span)
            if moved is not None:
                care.made.append(name)
                care.rescued += moved


def make_partition(table: PartitionedTable, span: Span) -> int | None:
    """Make one partition and move into it what the default one caught; returns how many rows, None if it was there.

    Writers of the whole table wait meanwhile: one that was on its way into the default partition would be refused.
    """
    with _impatient() as cursor:
        cursor.execute(f'LOCK TABLE ONLY "{table.table}" IN SHARE ROW EXCLUSIVE MODE')
        if span not in span.without(spans_of(table.table)):
            return None
        cursor.execute(f'LOCK TABLE "{table.default}" IN ACCESS EXCLUSIVE MODE')
        create_partition(cursor, table, span)
        moved = _move_rows(cursor, table, span)
        attach_partition(cursor, table, span)
    return moved


def create_partition(cursor: CursorWrapper, table: PartitionedTable, span: Span) -> None:
    """A table like the partitioned one, not yet part of it. Identity belongs to the parent alone (PostgreSQL 17)."""
    storage = f"WITH ({table.storage})" if table.storage else ""
    cursor.execute(
        f'CREATE TABLE "{table.name_of(span)}" (LIKE "{table.table}" INCLUDING ALL EXCLUDING IDENTITY) {storage}'
    )


def create_default(cursor: CursorWrapper, table: PartitionedTable) -> None:
    """The partition that catches what fits no other."""
    cursor.execute(f'CREATE TABLE "{table.default}" (LIKE "{table.table}" INCLUDING ALL EXCLUDING IDENTITY)')
    cursor.execute(f'ALTER TABLE "{table.table}" ATTACH PARTITION "{table.default}" DEFAULT')


def attach_partition(cursor: CursorWrapper, table: PartitionedTable, span: Span) -> None:
    cursor.execute(
        f'ALTER TABLE "{table.table}" ATTACH PARTITION "{table.name_of(span)}" '
        f"FOR VALUES FROM ('{span.begins:%Y-%m-%d} 00:00+00') TO ('{span.ends:%Y-%m-%d} 00:00+00')"
    )


def _move_rows(cursor: CursorWrapper, table: PartitionedTable, span: Span) -> int:
    columns = ", ".join(f'"{name}"' for name in columns_of(table.table))
    cursor.execute(
        f"""WITH moved AS (
            DELETE FROM "{table.default}"
            WHERE "{table.column}" >= %(begins)s AND "{table.column}" < %(ends)s RETURNING {columns})
        INSERT INTO "{table.name_of(span)}" ({columns}) SELECT {columns} FROM moved""",  # noqa: S608
        {"begins": span.begins, "ends": span.ends},
    )
    return int(cursor.rowcount)


def _rescue(table: PartitionedTable, *, now: datetime, limit: int | None, care: Care) -> None:
    existing = spans_of(table.table)
    found = spans_with_rows(table, table.default, since=rescued_since(table, now=now))
    for span in [gap for whole in found for gap in whole.without(existing)]:
        if limit is not None:
            rows = rows_in_default(table, begins=span.begins, ends=span.ends, limit=limit + 1)
            if rows > limit:
                care.postponed.append(table.name_of(span))
                logger.error("%s holds too many rows to move by the way: run manage.py partitions", table.default)
                continue
        _make(table, [span], care)


def rescued_since(table: PartitionedTable, *, now: datetime) -> datetime:
    return table.kept_since(now) or now - timedelta(days=STRAY_DAYS)


def _drop_past(table: PartitionedTable, *, now: datetime, care: Care) -> None:
    """Drop partitions that lie wholly before what is kept; of the default one, delete such rows. What is final only."""
    since = table.kept_since(now)
    if since is None:
        return
    for partition in partitions_of(table.table):
        if partition.span and partition.span.ends <= since:
            with _postponing(partition.name, care):
                _drop_unless_needed(table, partition.name, partition.span, care)
    final = f"AND ({table.final})" if table.final else ""
    with connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{table.default}" WHERE "{table.column}" < %s {final}', [since])  # noqa: S608


def _drop_unless_needed(table: PartitionedTable, name: str, span: Span, care: Care) -> None:
    if is_needed(table, span):
        care.kept.append(name)
        return
    if has_rows_not_final(table, span):
        care.kept.append(name)
        logger.error("%s has rows that are not final, and that nobody is working on: it is kept", name)
        return
    with _impatient() as cursor:
        cursor.execute(f'LOCK TABLE "{name}" IN ACCESS EXCLUSIVE MODE')
        # Until now a row could still become unfinished again.
        if is_needed(table, span):
            care.kept.append(name)
            return
        cursor.execute(f'DROP TABLE "{name}"')
    care.dropped.append(name)


@contextmanager
def _impatient() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS:d}")
        yield cursor


@contextmanager
def _postponing(name: str, care: Care) -> Iterator[None]:
    """A lock that is not to be had now is tried again in the next round."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
            raise
        care.postponed.append(name)
        logger.warning("partition %s has to wait: its table is in use", name)
