"""What `export_readings` and `export_usage` share."""

import sys
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import translation
from tqdm import tqdm

from analysis.copying import Shape, csv_pieces
from analysis.estimates import estimated_rows
from analysis.files import Form, write_export
from analysis.filters import FILTERS, FilterInvalid, UnknownFilter, filtered
from analysis.parquet import ParquetMissing, available
from analysis.tables import Table


class ExportCommand(BaseCommand):
    """Writes a table as CSV or Parquet to a file, which appears when it is complete, or to standard output."""

    table: ClassVar[Table]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", help="where to write; standard output without it, or for -")
        for name, filter in FILTERS[self.table.name].base_filters.items():
            choices = [value for value, _ in filter.extra.get("choices", [])]
            said = f"one of {', '.join(map(str, choices))}" if choices else _in_english(filter.label)
            parser.add_argument(f"--{name.replace('_', '-')}", dest=f"by_{name}", metavar="X", help=said)
        parser.add_argument(
            "--lang",
            choices=["names", *dict(settings.LANGUAGES)],
            default="names",
            help="headers and words: stable English names and codes (default), or a language",
        )
        parser.add_argument("--times", choices=["iso", "local"], default="iso", help="ISO with offset, or plain local")
        parser.add_argument("--bom", action="store_true", help="begin with a byte order mark, which Excel asks for")
        parser.add_argument("--gzip", action="store_true", help="pack the CSV with gzip")
        parser.add_argument("--parquet", action="store_true", help="write Parquet instead (needs pyarrow)")
        parser.add_argument("--any-order", action="store_true", help="not by meter and time: quicker for many millions")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar on the terminal")

    @no_translations
    def handle(self, *args: Any, file: str | None, **options: Any) -> None:
        form = Form.PARQUET if options["parquet"] else Form.CSV
        path = None if file in (None, "-") else Path(str(file))
        self._check(form, path, options)
        shape = Shape(
            language=None if options["lang"] == "names" else options["lang"],
            local_times=options["times"] == "local",
            bom=options["bom"],
            gzip=options["gzip"],
            any_order=options["any_order"],
        )
        try:
            rows = filtered(self.table.rows(user=None), table=self.table, asked=_asked(options))
            self._write(rows, form=form, path=path, shape=shape, quiet=options["no_progress"])
        except (UnknownFilter, FilterInvalid, ParquetMissing) as error:
            raise CommandError(str(error)) from None
        except BrokenPipeError:
            # Whoever read standard output has enough of it.
            sys.stderr.close()
        except (OSError, DatabaseError) as error:
            raise CommandError(f"{path or 'standard output'}: {error}") from error

    def _check(self, form: Form, path: Path | None, options: dict[str, Any]) -> None:
        if form is Form.PARQUET and path is None:
            raise CommandError("Parquet is written to a file: name one.")
        if form is Form.PARQUET and not available():
            raise CommandError(str(ParquetMissing()))
        if form is Form.PARQUET and (options["bom"] or options["gzip"]):
            raise CommandError("--bom and --gzip are for CSV.")
        if path is not None and not path.parent.is_dir():
            raise CommandError(f"There is no directory {path.parent}.")
        if path is not None and path.is_dir():
            raise CommandError(f"{path} is a directory.")

    def _write(self, rows: QuerySet[Any], *, form: Form, path: Path | None, shape: Shape, quiet: bool) -> None:
        silent = quiet or not sys.stderr.isatty()
        total = None if silent else estimated_rows(rows)
        with tqdm(total=total, unit=" rows", unit_scale=True, disable=silent, file=sys.stderr) as bar:

            def told(so_far: int) -> None:
                bar.update(so_far - bar.n)

            if path is None:
                out = sys.stdout.buffer
                for piece in csv_pieces(rows, table=self.table, shape=shape, told=told):
                    out.write(piece)
                out.flush()
                return
            written = write_export(rows, table=self.table, path=path, form=form, shape=shape, told=told)
        self.stderr.write(f"{written.rows} rows, {written.size} bytes: {path}")


def _asked(options: dict[str, Any]) -> dict[str, str]:
    given = {name.removeprefix("by_"): value for name, value in options.items() if name.startswith("by_")}
    return {name: value for name, value in given.items() if value is not None}


def _in_english(label: Any) -> str:
    with translation.override("en"):
        return str(label)
