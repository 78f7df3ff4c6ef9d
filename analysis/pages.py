"""Pages of a table that stay in place while rows come in: each begins after the key of the row before it."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.utils import timezone

from analysis.columns import Column, Kind
from analysis.tables import Table


class CursorInvalid(ValueError):
    pass


@dataclass(frozen=True)
class Page:
    rows: list[dict[str, Any]]
    next_cursor: str | None


class _After(Func):
    """(a, b) > (x, y), which an index on a, b serves."""

    output_field = models.BooleanField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        compiled = [compiler.compile(expression) for expression in self.source_expressions]
        half = len(compiled) // 2
        left, right = (", ".join(sql for sql, _ in part) for part in (compiled[:half], compiled[half:]))
        return f"({left}) > ({right})", [value for _, values in compiled for value in values]


def page_of(rows: QuerySet[Any], *, table: Table, size: int, cursor: str | None) -> Page:
    """At most `size` rows in the order of the table's key. Raises CursorInvalid."""
    if cursor:
        rows = _after(rows, table, _read(cursor, table))
    values = [column.value for column in table.columns]
    found = list(rows.order_by(*table.key).values_list(*values, *map(F, table.key))[: size + 1])
    more, found = len(found) > size, found[:size]
    width = len(table.columns)
    return Page(
        [dict(zip(names(table), map(_plain, table.columns, row), strict=False)) for row in found],
        _written(found[-1][width:]) if more else None,
    )


def _after(rows: QuerySet[Any], table: Table, key: list[Any]) -> QuerySet[Any]:
    rows = rows.filter(_After(*map(F, table.key), *map(Value, key)))
    if table.key[0] != "meter_id":
        return rows
    # Said of the meters too: the planner, which often walks them in their order, does not conclude it.
    from_meter: Any = RawSQL("meters_meter.id >= %s", (key[0],), models.BooleanField())
    return rows.filter(from_meter, meter_id__gte=key[0])


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _plain(column: Column, value: Any) -> Any:
    """Numbers as text with at most 4 decimals, so that none is rounded on its way; moments in the platform's zone."""
    if value is None:
        return None
    match column.kind:
        case Kind.NUMBER:
            return str(value)
        case Kind.MOMENT:
            return timezone.localtime(value).isoformat(timespec="seconds")
        case Kind.DAY:
            return value.isoformat()
    return value


def _written(key: Sequence[Any]) -> str:
    texts = [str(value) if isinstance(value, Decimal | int) else value.isoformat() for value in key]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def _read(cursor: str, table: Table) -> list[Any]:
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        fields: list[Any] = [table.model._meta.get_field(name) for name in table.key]
        if len(texts) != len(fields) or not all(isinstance(text, str) for text in texts):
            raise CursorInvalid
        return [field.to_python(text) for field, text in zip(fields, texts, strict=True)]
    except (binascii.Error, ValueError, TypeError, ValidationError):
        raise CursorInvalid from None
