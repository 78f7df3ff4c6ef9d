"""Statements that write rows of models without the models, where every report would pay for them.

Columns that a statement leaves out get what the model would give them, so that a new field needs no change there.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, models
from django.db.models.fields import NOT_PROVIDED
from psycopg import sql

_VALUE = re.compile(r"%\(\w+\)s")


def insertion(model: type[models.Model], values: Mapping[str, str], *, source: str = "") -> str:
    """INSERT INTO the table of `model`: `values` are SQL expressions by column, `source` what follows SELECT.

    Without a source the columns themselves tell the types of what is given; else a cast does.
    """
    expressions = {**values, **{name: _literal(value) for name, value in _rest(model, values).items()}}
    head = f"INSERT INTO {model._meta.db_table} ({_columns(expressions)})"
    if not source:
        return f"{head} VALUES ({', '.join(expressions.values())})"
    fields = {str(field.column): field for field in model._meta.concrete_fields}
    selected = ", ".join(_typed(expression, fields[column]) for column, expression in expressions.items())
    return f"{head} SELECT {selected} {source}"


def copying(model: type[models.Model], columns: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """COPY into the table of `model`; and the values that each row has after those of `columns`."""
    rest = _rest(model, columns)
    return f"COPY {model._meta.db_table} ({_columns([*columns, *rest])}) FROM STDIN", tuple(rest.values())


@contextmanager
def copied(statement: str) -> Iterator[psycopg.Copy]:
    """A COPY FROM STDIN that is written to in the block. Raises Django's database errors."""
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        yield copy


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


def _typed(expression: str, field: "models.Field[Any, Any]") -> str:
    # Without a length, which would cut off instead of refusing.
    kind = str(field.db_type(connection)).partition("(")[0]
    return f"{expression}::{kind}" if _VALUE.fullmatch(expression) else expression


def _literal(value: Any) -> str:
    # The statement holds parameters as well, whose percent signs are not its own.
    return sql.Literal(str(value) if isinstance(value, str) else value).as_string(None).replace("%", "%%")
