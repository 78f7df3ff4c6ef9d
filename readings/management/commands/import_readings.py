import sys
from argparse import BooleanOptionalAction
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.db import DatabaseError
from django.utils import timezone
from tqdm import tqdm

from readings.bulk import Taken, take_lines
from readings.bulk_files import Opened, Record, Rejects, Source, opened
from readings.bulk_lines import HeaderInvalid, Parties
from readings.bulk_quick import Chunk, take_chunk

# A live report of a meter waits while its batch is written: a second or two.
BATCH_READINGS = 50_000


class Command(BaseCommand):
    help = (
        "Import readings: CSV as export_readings writes it (without --lang), or JSON lines of 2001 bodies. "
        "What is known already changes nothing, so an import that was broken off is simply run again. "
        "Ends with 1 when lines were refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="what to import; unpacked when it ends with .gz; - for standard input")
        parser.add_argument("--company", metavar="CODE", help="the company of lines that name none")
        parser.add_argument(
            "--tell-cis",
            action=BooleanOptionalAction,
            default=True,
            help="whether the CIS get a 2001 of each new reading, as of a live one (default: yes, since what is not "
            "told now is not told later: by then the reading is known)",
        )
        parser.add_argument("--rejects", metavar="FILE", type=Path, help="where refused lines go; else: why, to stderr")
        parser.add_argument("--dry-run", action="store_true", help="do all of it, batch by batch, and undo it")
        parser.add_argument("--batch", type=int, default=BATCH_READINGS, metavar="N", help="lines per transaction")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar on the terminal")

    @no_translations
    def handle(self, *args: Any, file: str, **options: Any) -> None:
        self._check(file, options)
        try:
            with opened(file) as it:
                total = self._import(it, options)
        except HeaderInvalid as error:
            raise CommandError(f"{file}: {error}") from None
        except (OSError, EOFError) as error:
            raise CommandError(f"{file}: {error}") from error
        self.stdout.write(_summary(total, dry_run=options["dry_run"]))
        if total["refused"]:
            sys.exit(1)

    def _check(self, file: str, options: dict[str, Any]) -> None:
        rejects = options["rejects"]
        if rejects is not None and not rejects.parent.is_dir():
            raise CommandError(f"There is no directory {rejects.parent}.")
        if rejects is not None and rejects.exists() and file != "-" and rejects.samefile(file):
            raise CommandError("--rejects names the file that is imported.")
        if options["batch"] < 1:
            raise CommandError("--batch is at least 1.")

    def _import(self, it: Opened, options: dict[str, Any]) -> Counter[str]:
        source = Source(it.file, Parties(company_code=options["company"]))
        rejects = Rejects(options["rejects"], source) if options["rejects"] else None
        silent = options["no_progress"] or not sys.stderr.isatty()
        total: Counter[str] = Counter()
        with tqdm(total=it.size, unit="B", unit_scale=True, disable=silent, file=sys.stderr) as bar:
            for batch in source.batches(options["batch"]):
                taken, refusals = self._take(batch, options)
                self._say(refusals, rejects)
                total.update(_figures(taken, refused=len(refusals)))
                bar.update(it.position() - bar.n)
                bar.set_postfix_str(f"{total['readings']} new readings", refresh=False)
        if rejects is not None:
            rejects.close()
        return total

    def _take(self, batch: list[Record] | Chunk, options: dict[str, Any]) -> tuple[Taken, list[tuple[Record, str]]]:
        how: dict[str, Any] = {"tell_cis": options["tell_cis"], "dry_run": options["dry_run"], "now": timezone.now()}
        try:
            if isinstance(batch, Chunk):
                taken = take_chunk(batch, **how)
                return taken, [(_record(batch, number), error.message) for number, error in taken.refused]
            taken = take_lines([record.line for record in batch if record.line is not None], **how)
            return taken, _refusals(batch, taken)
        except DatabaseError as error:
            raise CommandError(
                f"{_span(batch)}: {error}\nNothing of these lines is in, all before them is. Run the import again."
            ) from error

    def _say(self, refusals: list[tuple[Record, str]], rejects: Rejects | None) -> None:
        for record, reason in refusals:
            if rejects is None:
                tqdm.write(f"line {record.number}: {reason}", file=sys.stderr)
            else:
                rejects.write(record, reason)
        if rejects is not None:
            rejects.flush()


def _span(batch: list[Record] | Chunk) -> str:
    if isinstance(batch, Chunk):
        return f"lines {batch.number} to {batch.number + len(batch.lines) - 1}"
    return f"lines {batch[0].number} to {batch[-1].number}"


def _record(chunk: Chunk, number: int) -> Record:
    return Record(number, chunk.lines[number - chunk.number], None, None)


def _refusals(batch: list[Record], taken: Taken) -> list[tuple[Record, str]]:
    """In the order of the file."""
    later = dict(taken.refused)
    refused = ((record, record.error or later.get(record.number)) for record in batch)
    return [(record, error.message) for record, error in refused if error is not None]


def _figures(taken: Taken, *, refused: int) -> dict[str, int]:
    return {
        "lines": taken.lines,
        "known": taken.known,
        "refused": refused,
        "readings": taken.readings,
        "flagged": taken.flagged,
        "told": taken.told,
    }


def _summary(total: Counter[str], *, dry_run: bool) -> str:
    return (
        f"{'Dry run, nothing is kept: ' if dry_run else ''}{total['lines']} lines with new readings, "
        f"{total['known']} known, {total['refused']} refused; {total['readings']} new readings, "
        f"{total['flagged']} of them flagged; {total['told']} messages to CIS"
    )
