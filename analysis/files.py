"""Exports as files: complete or not there at all."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from django.db.models import QuerySet

from analysis.copying import Shape, csv_pieces
from analysis.parquet import write_parquet
from analysis.tables import Table


class Form(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Written:
    rows: int
    size: int


def write_export(
    rows: QuerySet[Any],
    *,
    table: Table,
    path: Path,
    form: Form,
    shape: Shape,
    connection: Any = None,
    told: Callable[[int], None] = lambda rows: None,
) -> Written:
    """Write `rows` to `path`, which appears only when complete. Whatever `told` raises ends the export.

    Raises OSError, ParquetMissing, and the database's errors; none of them leaves anything behind.
    """
    total = 0

    def count(so_far: int) -> None:
        nonlocal total
        total = so_far
        told(so_far)

    if form is Form.PARQUET:
        # Types take the place of words, and no spreadsheet reads formulas out of Parquet.
        shape = replace(shape, language=None, local_times=False, bom=False, gzip=False, safe=False)
    handle, name = mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        pieces = csv_pieces(rows, table=table, shape=shape, connection=connection, told=count)
        with os.fdopen(handle, "wb") as file:
            if form is Form.PARQUET:
                write_parquet(pieces, table=table, path=part)
            else:
                file.writelines(pieces)
                file.flush()
            os.fsync(file.fileno())
        size = part.stat().st_size
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Written(total, size)
