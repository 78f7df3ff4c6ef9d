"""Which partitions must outlive their time: those with rows that are not final, and those that follow such ones."""

from typing import Protocol

from django.db import connection
from django.utils.module_loading import import_string

from protocol.partitions.catalog import spans_of
from protocol.partitions.declared import PartitionedTable, Span

COUNT_LIMIT = 10_000


class Unfinished(Protocol):
    """How many rows of `partition` are not final, counted up to `limit`, without reading it all: it is asked hourly."""

    def __call__(self, *, partition: str, span: Span, limit: int) -> int: ...


def unfinished_rows(table: PartitionedTable, span: Span, *, limit: int = COUNT_LIMIT) -> int:
    if not table.unfinished:
        return 0
    count: Unfinished = import_string(table.unfinished)
    return count(partition=table.name_of(span), span=span, limit=limit)


def is_needed(table: PartitionedTable, span: Span) -> bool:
    """Quickly, so that it may be asked under a lock."""
    led = spans_of(table.follows) if table.follows else []
    if any(span.begins < other.ends and other.begins < span.ends for other in led):
        return True
    return unfinished_rows(table, span, limit=1) > 0


def has_rows_not_final(table: PartitionedTable, span: Span) -> bool:
    """The same by reading the whole partition, once before it goes: a row may be one that nobody knows of."""
    if not table.final:
        return False
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT EXISTS (SELECT FROM "{table.name_of(span)}" WHERE NOT ({table.final}))')  # noqa: S608
        return bool(cursor.fetchone()[0])
