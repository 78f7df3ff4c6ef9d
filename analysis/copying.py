"""CSV straight out of PostgreSQL: COPY does the work, rows pass through in bounded memory."""

import csv
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection as default_connection
from django.db.models import QuerySet
from django.utils import translation

from analysis.batches import batches
from analysis.estimates import estimated_rows
from analysis.tables import Table

PIECE_BYTES: Final = 64 * 1024
# From so many rows on it pays to ask first whether any text of a meter looks like a formula.
LARGE: Final = 1_000_000
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Shape:
    """How a CSV looks. Without a language it has the stable English names and codes; else that language's words.

    `any_order`: rows come as PostgreSQL has them, which is quicker where there are very many.
    """

    language: str | None = None
    local_times: bool = False
    bom: bool = False
    gzip: bool = False
    safe: bool = True
    any_order: bool = False

    @property
    def suffix(self) -> str:
        return ".csv.gz" if self.gzip else ".csv"


def csv_pieces(
    rows: QuerySet[Any],
    *,
    table: Table,
    shape: Shape,
    connection: Any = None,
    told: Callable[[int], None] = lambda rows: None,
) -> Iterator[bytes]:
    """The CSV of `rows` (of the table's model, filtered, not sliced) in pieces, by meter and time.

    `told` hears after each piece how many rows there are so far. A piece or a row larger than memory cannot come up;
    the database's errors pass through.
    """
    pieces = _pieces(rows, table=table, shape=shape, connection=connection or default_connection, told=told)
    return _zipped(pieces) if shape.gzip else pieces


def _pieces(
    rows: QuerySet[Any], *, table: Table, shape: Shape, connection: Any, told: Callable[[int], None]
) -> Iterator[bytes]:
    head = (BOM if shape.bom else b"") + header(table, shape=shape)
    total = 0
    with connection.wrap_database_errors, connection.cursor() as cursor:
        statement = copy_statement(rows, table=table, shape=shape, cursor=cursor)
        if statement is not None:
            # What moments are written by; the drivers want no other either.
            cursor.execute("SET DateStyle TO ISO")
            with cursor.copy(statement) as copy:
                for batch in batches(copy, at_least=PIECE_BYTES):
                    yield head + b"".join(batch.rows)
                    head = b""
                    total += len(batch.rows)
                    told(total)
    if head:
        yield head
        told(total)


def header(table: Table, *, shape: Shape) -> bytes:
    """The line of names, ended by a newline like those that COPY writes."""
    line = io.StringIO()
    with _language(shape):
        names = [str(column.label) if shape.language else column.name for column in table.columns]
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()


def copy_statement(rows: QuerySet[Any], *, table: Table, shape: Shape, cursor: Any) -> str | None:
    """The COPY of `rows`, its values bound as literals, since COPY takes no parameters; None when no row can match."""
    written = {"labels": shape.language is not None, "local_times": shape.local_times, "safe": shape.safe}
    is_large = shape.safe and estimated_rows(rows) > LARGE
    with _language(shape):
        values = [column.exported(**written, is_large=is_large) for column in table.columns]
    chosen = rows.order_by(*(() if shape.any_order else table.key)).values_list(*values)
    try:
        select, parameters = chosen.query.sql_with_params()
    except EmptyResultSet:
        return None
    return f"COPY ({cursor.mogrify(select, parameters)}) TO STDOUT (FORMAT csv)"


def _language(shape: Shape) -> Any:
    return translation.override(shape.language) if shape.language else nullcontext()


def _zipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """gzip at its fastest level, piece by piece: PostgreSQL goes on sending, and stays the slower one.

    A thread for it made exports slower: both threads, and PostgreSQL, waited for their turns.
    """
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        if packed := compressor.compress(piece):
            yield packed
    yield compressor.flush()
