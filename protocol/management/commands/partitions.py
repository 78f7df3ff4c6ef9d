import argparse
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from protocol.partitions.care import tend_partitions
from protocol.partitions.catalog import partitions_of
from protocol.partitions.declared import PartitionedTable, declared_tables
from protocol.partitions.problems import partition_problems


class Command(BaseCommand):
    help = "Show the partitions of large tables, with sizes and problems; with --tend make, fill and drop them first."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--tend", action="store_true", help="make, fill and drop partitions now, however many rows")
        parser.add_argument(
            "--since", type=_day, metavar="YYYY-MM-DD", help="make partitions from this day on, before an import"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["tend"] or options["since"]:
            care = tend_partitions(now=now, since=options["since"], rescue_all=True)
            self.stdout.write(f"made {len(care.made)}, dropped {len(care.dropped)}, rescued {care.rescued} rows")
            for name in care.postponed:
                self.stdout.write(f"in use, to be tried again: {name}")
        for table in declared_tables():
            self._show(table)
        problems = partition_problems(now=now)
        for problem in problems:
            self.stderr.write(problem.text)
        if problems:
            raise CommandError(f"{len(problems)} problems")

    def _show(self, table: PartitionedTable) -> None:
        kept = f"{table.keep_days} days" if table.keep_days else "for ever"
        self.stdout.write(f"{table.table} by {table.interval} of {table.column}, kept {kept}")
        for part in partitions_of(table.table):
            span = f"{part.span.begins:%Y-%m-%d} - {part.span.ends:%Y-%m-%d}" if part.span else "all else"
            self.stdout.write(f"  {part.name:44} {span:24} {part.rows:>12} rows {part.size_bytes / 1e6:>10.1f} MB")


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
