"""What is wrong with the partitions, for staff, for the log and for `manage.py check --database default`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.checks import CheckMessage, Warning
from django.utils import timezone
from django.utils.translation import gettext as _

from protocol.partitions.care import rescued_since
from protocol.partitions.catalog import Shape, rows_in_defaults, shapes_of
from protocol.partitions.declared import PartitionedTable, Span, declared_tables
from protocol.partitions.needed import COUNT_LIMIT, is_needed, unfinished_rows

# A partition for the moment in so many days must exist by now, a past one be gone so many days after its time.
ALARM_AHEAD_DAYS = 3
ALARM_OVERDUE_DAYS = 3


@dataclass(frozen=True, slots=True)
class PartitionProblem:
    """`kind`: "plain", "missing", "default", "unfinished" or "overdue"; `text` is for staff, in the language in use."""

    kind: str
    table: str
    text: str


def partition_problems(*, now: datetime, tables: Iterable[PartitionedTable] | None = None) -> list[PartitionProblem]:
    """All that needs attention in the declared tables; nothing of a table that `migrate` has not made yet."""
    declared = list(declared_tables() if tables is None else tables)
    shapes = shapes_of([table.table for table in declared])
    there = [table for table in declared if shapes[table.table].exists]
    catching = [table for table in there if _catches(table, shapes[table.table])]
    caught = rows_in_defaults([(table, rescued_since(table, now=now)) for table in catching], limit=COUNT_LIMIT)
    return [
        problem
        for table in there
        for problem in _problems_of(table, shapes[table.table], caught=caught.get(table.table, 0), now=now)
    ]


def check_partitions(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Django's system check of the tag `database`: das.W001 for every problem."""
    if not databases:
        return []
    return [Warning(problem.text, id="das.W001") for problem in partition_problems(now=timezone.now())]


def _catches(table: PartitionedTable, shape: Shape) -> bool:
    return shape.column == table.column and table.default in shape.names


def _problems_of(table: PartitionedTable, shape: Shape, *, caught: int, now: datetime) -> list[PartitionProblem]:
    if shape.column != table.column:
        text = _("%(table)s is not partitioned by %(column)s: run migrate.")
        return [PartitionProblem("plain", table.table, text % {"table": table.table, "column": table.column})]
    return [
        *_missing(table, shape.spans, now=now),
        *_of_default(table, shape, caught),
        *_unfinished(table, shape.spans, now=now),
        *_overdue(table, shape.spans, now=now),
    ]


def _missing(table: PartitionedTable, spans: list[Span], *, now: datetime) -> list[PartitionProblem]:
    needed = Span(now, now + timedelta(days=ALARM_AHEAD_DAYS))
    gap = next(needed.without(spans), None)
    if gap is None:
        return []
    text = _("%(table)s has no partition for %(day)s (UTC): its rows fall into the default partition.")
    values = {"table": table.table, "day": f"{gap.begins:%Y-%m-%d}"}
    return [PartitionProblem("missing", table.table, text % values)]


def _of_default(table: PartitionedTable, shape: Shape, rows: int) -> list[PartitionProblem]:
    if not _catches(table, shape):
        text = _("%(table)s has no default partition: rows that fit no other would be refused.")
        return [PartitionProblem("missing", table.table, text % {"table": table.table})]
    if not rows:
        return []
    text = _("Rows in the default partition of %(table)s: %(rows)s. The next round will move them.")
    return [PartitionProblem("default", table.table, text % {"table": table.table, "rows": _shown(rows)})]


def _unfinished(table: PartitionedTable, spans: list[Span], *, now: datetime) -> list[PartitionProblem]:
    """What is kept beyond its time, since something in it has not ended yet."""
    since, problems = table.kept_since(now), []
    text = _("%(partition)s is kept beyond its time: rows in it that have not ended: %(rows)s.")
    for span in spans:
        rows = unfinished_rows(table, span) if since and span.ends <= since else 0
        if rows:
            values = {"partition": table.name_of(span), "rows": _shown(rows)}
            problems.append(PartitionProblem("unfinished", table.table, text % values))
    return problems


def _shown(rows: int) -> str:
    return f"{rows}+" if rows == COUNT_LIMIT else str(rows)


def _overdue(table: PartitionedTable, spans: list[Span], *, now: datetime) -> list[PartitionProblem]:
    since = table.kept_since(now - timedelta(days=ALARM_OVERDUE_DAYS))
    late = [span for span in spans if since and span.ends <= since and not is_needed(table, span)]
    if not late:
        return []
    text = _("Partitions of %(table)s that need not be kept any longer and are still there: %(count)s.")
    return [PartitionProblem("overdue", table.table, text % {"table": table.table, "count": len(late)})]
