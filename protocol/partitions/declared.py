"""Which tables are partitioned, and how: settings.PARTITIONED_TABLES."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.apps import apps
from django.conf import settings

# Rows older than this stay in the default partition: a few strays of clocks gone wrong are worth no partitions.
STRAY_DAYS = 1_100


class Interval(StrEnum):
    """The length of a partition, cut at midnights UTC."""

    DAY = "day"
    MONTH = "month"

    def start(self, moment: datetime) -> datetime:
        midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Interval.DAY else midnight.replace(day=1)

    def span(self, moment: datetime) -> "Span":
        """The partition that `moment` falls into."""
        start = self.start(moment)
        # 32 days after the first of a month lies in the next month.
        return Span(start, self.start(start + timedelta(days=1 if self is Interval.DAY else 32)))

    def spans(self, begins: datetime, ends: datetime) -> Iterator["Span"]:
        """Whole partitions, in order, that cover [begins, ends)."""
        span = self.span(begins)
        while span.begins < ends:
            yield span
            span = self.span(span.ends)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The moments [begins, ends)."""

    begins: datetime
    ends: datetime

    def without(self, others: list["Span"]) -> Iterator["Span"]:
        """What is left of it, in order, when `others` are taken away."""
        begins = self.begins
        for other in sorted(others):
            if other.ends <= begins or other.begins >= self.ends:
                continue
            if begins < other.begins:
                yield Span(begins, other.begins)
            begins = other.ends
        if begins < self.ends:
            yield Span(begins, self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionedTable:
    """A database table cut by `column` into partitions of one `interval`; `keep_days` 0 keeps for ever.

    Rows that are not `final` (an SQL condition; "" for all) outlive `keep_days`, and their partition with them.
    `unfinished` names the Unfinished that tells quickly whether a partition has such rows. A table that `follows`
    another one keeps its partitions as long as that one does.
    """

    table: str
    column: str
    interval: Interval
    keep_days: int = 0
    behind_days: int = 0
    storage: str = ""
    final: str = ""
    unfinished: str = ""
    follows: str = ""

    @property
    def default(self) -> str:
        return f"{self.table}_default"

    def name_of(self, span: Span) -> str:
        return f"{self.table}_p{span.begins:%Y%m%d}"

    def kept_since(self, now: datetime) -> datetime | None:
        """Rows before this moment may go; a day more than asked for, since a DateField means days of any zone."""
        return now - timedelta(days=self.keep_days + 1) if self.keep_days else None

    def first_wanted(self, now: datetime) -> datetime:
        """From here on there are to be partitions: never where they would be dropped at once."""
        return max(now - timedelta(days=self.behind_days), self.kept_since(now) or now - timedelta(days=36_500))


def declared_tables() -> list[PartitionedTable]:
    """Those that follow others come after them."""
    return [declared_table(label) for label in settings.PARTITIONED_TABLES]


def declared_table(label: str) -> PartitionedTable:
    """By the label of its model; KeyError for a table that is not partitioned."""
    options = {**settings.PARTITIONED_TABLES[label]}
    leader = options.pop("follows", "")
    return PartitionedTable(
        table=_table_of(label),
        interval=Interval(options.pop("interval")),
        follows=_table_of(leader) if leader else "",
        **options,
    )


def _table_of(label: str) -> str:
    return apps.get_model(label)._meta.db_table
