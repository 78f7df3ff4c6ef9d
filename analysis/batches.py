"""Rows of a COPY many at once: psycopg hands out one at a time, which takes the process nearly twice as long."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from psycopg import Copy
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Ready, Wait


@dataclass
class Batch:
    """Whole rows as they came. `is_last`: no more follow."""

    rows: list[memoryview] = field(default_factory=list)
    is_last: bool = False


def batches(copy: Copy, *, at_least: int) -> Iterator[Batch]:
    """What `copy` (out of the database, just begun) brings, in batches of `at_least` bytes; the last may be smaller.

    Whoever stops earlier leaves the block of `copy` with an exception, as at any other time: psycopg then cancels.
    Raises psycopg's errors.
    """
    # Not typed as generic: the class of a cursor's connection does not matter here.
    connection: Any = copy.connection
    while True:
        batch = connection.wait(_received(connection.pgconn, at_least=at_least))
        if batch.is_last:
            _end(connection)
        yield batch
        if batch.is_last:
            return


def _received(pgconn: PGconn, *, at_least: int) -> Generator[Wait, Ready | int, Batch]:
    batch, size = Batch(), 0
    while size < at_least:
        length, row = pgconn.get_copy_data(1)
        if length > 0:
            batch.rows.append(row)
            size += length
        elif length < 0:
            batch.is_last = True
            break
        else:
            # Nothing within a tenth of a second is no reason to stop; psycopg looks for signals meanwhile.
            while not (yield Wait.R):
                pass
            pgconn.consume_input()
    return batch


def _end(connection: Any) -> None:
    """Take the result, which comes together with the end of the rows."""
    failed = None
    while (result := connection.pgconn.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            failed = result
    if failed is not None:
        raise error_from_result(failed, connection.info.encoding)
