"""Parquet out of the same COPY, in row groups; pyarrow is an extra."""

import io
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from analysis.columns import Kind
from analysis.tables import Table

# Heavy, and an extra: loaded by the first export that needs it.
PACKAGE: Final = "pyarrow"

# About 100,000 rows: one row group.
BLOCK_BYTES: Final = 16 * 1024 * 1024


class ParquetMissing(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "Parquet needs the package pyarrow: pip install 'open-gas-das[parquet]', or pip install pyarrow"
        )


def available() -> bool:
    return find_spec(PACKAGE) is not None


def write_parquet(pieces: Iterator[bytes], *, table: Table, path: Path) -> None:
    """Write the CSV `pieces` (whole rows; stable names, ISO times, not made safe) as Parquet. Raises ParquetMissing."""
    if not available():
        raise ParquetMissing
    pyarrow, arrow_csv = import_module(PACKAGE), import_module(f"{PACKAGE}.csv")
    types = {column.name: _type(pyarrow, column.kind) for column in table.columns}
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    converting = arrow_csv.ConvertOptions(
        column_types=types,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
        true_values=["true"],
        false_values=["false"],
    )
    reading = arrow_csv.ReadOptions(column_names=list(types), skip_rows=1, use_threads=False)
    schema = pyarrow.schema(types.items())
    with import_module(f"{PACKAGE}.parquet").ParquetWriter(path, schema, compression="zstd") as writer:
        for block in _blocks(pieces):
            rows = arrow_csv.read_csv(io.BytesIO(block), reading, parsing, converting)
            writer.write_table(rows, row_group_size=max(rows.num_rows, 1))


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces put together, each block behind a line of names. Read here, since a connection is of its thread."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block = bytearray(b"-\n")
    yield bytes(block)


def _type(pyarrow: Any, kind: Kind) -> Any:
    match kind:
        case Kind.NUMBER:
            return pyarrow.decimal128(20, 4)
        case Kind.INTEGER:
            return pyarrow.int64()
        case Kind.MOMENT:
            return pyarrow.timestamp("s", tz="UTC")
        case Kind.DAY:
            return pyarrow.date32()
        case Kind.FLAG:
            return pyarrow.bool_()
    return pyarrow.string()
