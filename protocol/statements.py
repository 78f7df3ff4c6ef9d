"""Statements that write rows of models without the models, where every report would pay for them.

Columns that a statement leaves out get what the model would give them, so that a new field needs no change there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, models
from django.db.models.fields import NOT_PROVIDED
from psycopg import sql

_OUTERMOST = ("BEGIN", "COMMIT", "ROLLBACK")
_WITHIN = ("SAVEPOINT piped", "RELEASE SAVEPOINT piped", "ROLLBACK TO SAVEPOINT piped")


def insertion(model: type[models.Model], values: Mapping[str, str], *, source: str = "") -> str:
    """INSERT INTO the table of `model`: `values` are SQL expressions by column, `source` what follows SELECT."""
    expressions = {**values, **{name: _literal(value) for name, value in _rest(model, values).items()}}
    selected = ", ".join(expressions.values())
    return f"INSERT INTO {model._meta.db_table} ({_columns(expressions)}) SELECT {selected} {source}"


def copying(model: type[models.Model], columns: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """COPY into the table of `model`; and the values that each row has after those of `columns`."""
    rest = _rest(model, columns)
    return f"COPY {model._meta.db_table} ({_columns([*columns, *rest])}) FROM STDIN", tuple(rest.values())


def _rest(model: type[models.Model], given: Collection[str]) -> dict[str, Any]:
    """What the model gives the columns that are not given, and the database would not."""
    known = {str(field.column): field for field in model._meta.concrete_fields}
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{model._meta.label} has no {', '.join(unknown)}")
    return {
        column: field.get_default()
        for column, field in known.items()
        if column not in given and not (field.primary_key or field.generated or field.db_default is not NOT_PROVIDED)
    }


def _columns(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _literal(value: Any) -> str:
    # The statement holds parameters as well, whose percent signs are not its own.
    return sql.Literal(str(value) if isinstance(value, str) else value).as_string(None).replace("%", "%%")


@contextmanager
def piped() -> Iterator[psycopg.Cursor[Any]]:
    """A transaction in psycopg's pipeline mode: BEGIN travels with the first statements, COMMIT with the last.

    Only where a row is fetched does anybody wait. An exception in the block rolls all of it back.
    """
    connection.ensure_connection()
    raw: Any = connection.connection
    begin, commit, rollback = _WITHIN if connection.in_atomic_block else _OUTERMOST
    with connection.wrap_database_errors:
        try:
            with raw.pipeline():
                cursor: psycopg.Cursor[Any] = psycopg.Cursor(raw)
                cursor.execute(begin)
                yield cursor
                cursor.execute(commit)
        except BaseException:
            if not raw.closed and raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                raw.execute(rollback)
            raise
