"""What PostgreSQL itself says of a partitioned table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from protocol.partitions.declared import PartitionedTable, Span

_PARTITIONED_BY = """
    SELECT a.attname FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(%s) AND p.partstrat = 'r' AND p.partnatts = 1
"""

# Bounds are printed in, and read back in, the zone of the session, which Django sets to UTC.
_PARTITIONS = r"""
    SELECT c.relname, bounds[1]::timestamptz, bounds[2]::timestamptz,
        pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN LATERAL regexp_match(
        pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$) bounds ON true
    WHERE i.inhparent = to_regclass(%s)
    ORDER BY bounds[1]::timestamptz NULLS LAST
"""

# Of all tables at once, and without their sizes, for which every file is looked at.
_SHAPES = r"""
    SELECT t.name, t.oid IS NOT NULL, a.attname, c.relname, bounds[1]::timestamptz, bounds[2]::timestamptz
    FROM (SELECT name, to_regclass(name) FROM unnest(%s::text[]) name) t(name, oid)
    LEFT JOIN pg_partitioned_table p ON p.partrelid = t.oid AND p.partstrat = 'r' AND p.partnatts = 1
    LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    LEFT JOIN pg_inherits i ON i.inhparent = t.oid
    LEFT JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN LATERAL regexp_match(
        pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$) bounds ON true
    ORDER BY t.name, bounds[1]::timestamptz NULLS LAST
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; the default one has no span. `rows` is PostgreSQL's estimate."""

    name: str
    span: Span | None
    size_bytes: int
    rows: int


@dataclass(slots=True)
class Shape:
    """How a table is cut: by which column (None for a plain one), into which partitions, of which spans."""

    exists: bool
    column: str | None
    names: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


def shapes_of(tables: Sequence[str]) -> dict[str, Shape]:
    """By table, in one query; spans in order of time."""
    shapes: dict[str, Shape] = {}
    with connection.cursor() as cursor:
        cursor.execute(_SHAPES, [list(tables)])
        for table, exists, column, name, begins, ends in cursor.fetchall():
            shape = shapes.setdefault(table, Shape(exists, column))
            if name is not None:
                shape.names.append(name)
            if begins is not None:
                shape.spans.append(Span(begins, ends))
    return shapes


def partitioned_by(table: str) -> str | None:
    """The column by which `table` is cut; None for a plain or missing table."""
    column = _value(_PARTITIONED_BY, table)
    return str(column) if column else None


def partitions_of(table: str) -> list[Partition]:
    """In order of time, the default partition last."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [table])
        rows = cursor.fetchall()
    return [
        Partition(name, Span(begins, ends) if begins else None, size, estimate)
        for name, begins, ends, size, estimate in rows
    ]


def spans_of(table: str) -> list[Span]:
    return [partition.span for partition in partitions_of(table) if partition.span]


def rows_in_default(table: PartitionedTable, *, begins: datetime, ends: datetime | None = None, limit: int) -> int:
    """How many rows of the default partition lie in [begins, ends); counts no further than `limit`."""
    until = f'AND "{table.column}" < %(ends)s' if ends else ""
    sql = f"""SELECT count(*) FROM (
        SELECT 1 FROM "{table.default}" WHERE "{table.column}" >= %(begins)s {until} LIMIT %(limit)s) counted"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, {"begins": begins, "ends": ends, "limit": limit})
        return int(cursor.fetchone()[0])


def rows_in_defaults(since: Sequence[tuple[PartitionedTable, datetime]], *, limit: int) -> dict[str, int]:
    """How many rows each default partition has from a moment on, in one query; counts no further than `limit`."""
    counts = [
        f"""SELECT %s, count(*) FROM (
            SELECT 1 FROM "{table.default}" WHERE "{table.column}" >= %s LIMIT %s) counted"""  # noqa: S608  (our names)
        for table, _begins in since
    ]
    if not counts:
        return {}
    with connection.cursor() as cursor:
        values = [value for table, begins in since for value in (table.table, begins, limit)]
        cursor.execute(" UNION ALL ".join(counts), values)
        return dict(cursor.fetchall())


def spans_with_rows(table: PartitionedTable, source: str, *, since: datetime) -> list[Span]:
    """The whole spans, in order, that have rows in the table `source` from the moment `since` on."""
    sql = f"""SELECT DISTINCT date_trunc(%(interval)s, "{table.column}"::timestamptz, 'UTC')
        FROM "{source}" WHERE "{table.column}" >= %(since)s"""  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, {"interval": table.interval.value, "since": since})
        return sorted(table.interval.span(row[0]) for row in cursor.fetchall())


def columns_of(table: str) -> list[str]:
    """The columns that can be written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT attname FROM pg_attribute
            WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            ORDER BY attnum""",
            [table],
        )
        return [row[0] for row in cursor.fetchall()]


def _value(sql: str, table: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql, [table])
        row = cursor.fetchone()
    return row[0] if row else None
