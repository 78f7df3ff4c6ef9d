"""Columns of exports: one description for CSV, Parquet, JSON and their documentation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, F, Func, Value, When
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _


class Kind(StrEnum):
    TEXT = "text"
    CODE = "code"
    NUMBER = "number"
    INTEGER = "integer"
    MOMENT = "moment"
    DAY = "day"
    FLAG = "flag"
    JSON = "json"


class LooksLikeFormula(Func):
    """Whether a spreadsheet may take a text for a formula: it begins with = + - @ tab or CR."""

    template = "ascii(%(expressions)s) IN (61, 43, 45, 64, 9, 13)"
    arity = 1
    output_field = models.BooleanField()
    conditional = True


class SafeText(Func):
    """Text that no spreadsheet takes for a formula: such a one gets an apostrophe before it.

    `unless_none`: a condition that PostgreSQL evaluates once, whether there is any such text; it spares a large export
    from looking at every row.
    """

    output_field = models.TextField()

    def __init__(self, value: Any, *unless_none: Any) -> None:
        super().__init__(value, LooksLikeFormula(value), *unless_none)

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        value, looks, *some = (compiler.compile(expression) for expression in self.source_expressions)
        conditions = [*some, looks]
        joined = " AND ".join(sql for sql, _ in conditions)
        parameters = [parameter for _, given in (*conditions, value, value) for parameter in given]
        return f"CASE WHEN {joined} THEN '''' || {value[0]} ELSE {value[0]} END", tuple(parameters)


# Since 1992 the offset of most zones has not moved: adding a constant is much faster than working it out. Since 2000,
# PostgreSQL's zero, halves are rounded up: half a second less, and rounded, is cut off, and twice as fast as that.
_SETTLED_OFFSETS: Final = datetime(2000, 1, 2, tzinfo=UTC)
_CUT_OFF: Final = "({local} - interval '0.5 second')::timestamp(0)"
_OFFSET: Final = "to_char(o / 3600, 'FMSG00') || to_char(abs(o / 60 %% 60), 'FM:00')"


class _Moment(Func):
    """A moment written in the platform's zone, whatever the session's, to the second.

    Needs `DateStyle` ISO: COPY's own way to write is much faster than a format that is worked out for each row.
    """

    arity = 1
    output_field = models.TextField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        moment, parameters = compiler.compile(self.source_expressions[0])
        always, always_with = self.worked_out(moment, parameters)
        offset = constant_offset(settings.TIME_ZONE)
        if offset is None:
            return always, always_with
        local = _CUT_OFF.format(local=f"{moment} AT TIME ZONE %s")
        settled, settled_with = self.settled(local, (*parameters, offset))
        sql = f"CASE WHEN {moment} >= %s THEN {settled} ELSE {always} END"
        return sql, (*parameters, _SETTLED_OFFSETS, *settled_with, *always_with)

    def settled(self, local: str, parameters: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """From `local`, the local time; its offset is the constant one."""
        raise NotImplementedError

    def worked_out(self, moment: str, parameters: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """From `moment`, with the offset of its time."""
        raise NotImplementedError


class IsoMoment(_Moment):
    """2026-02-01T12:00:00+08:00"""

    def settled(self, local: str, parameters: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        written = datetime(2000, 1, 1, tzinfo=ZoneInfo(settings.TIME_ZONE)).isoformat()[19:]
        return f"replace({local}::text, ' ', 'T') || %s", (*parameters, written)

    def worked_out(self, moment: str, parameters: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        local, local_with = f"({moment} AT TIME ZONE %s)", (*parameters, settings.TIME_ZONE)
        seconds = f"extract(epoch FROM {local} - ({moment} AT TIME ZONE 'UTC'))::integer"
        offset = f"(SELECT {_OFFSET} FROM (SELECT {seconds}) x(o))"  # noqa: S608  (no value is in it)
        return f"substr(to_json({local})::text, 2, 19) || {offset}", (*local_with, *local_with, *parameters)


class LocalMoment(_Moment):
    """2026-02-01 12:00:00, as spreadsheets read it."""

    def settled(self, local: str, parameters: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        return local, parameters

    def worked_out(self, moment: str, parameters: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        return f"date_trunc('second', {moment} AT TIME ZONE %s)", (*parameters, settings.TIME_ZONE)


@cache
def constant_offset(zone: str) -> timedelta | None:
    """The zone's offset when it does not change from 1992 on; None for a zone with summer time."""
    months = (datetime(year, month, 15, tzinfo=UTC) for year in range(1992, 2038) for month in range(1, 13))
    offsets = {month.astimezone(ZoneInfo(zone)).utcoffset() for month in months}
    return offsets.pop() if len(offsets) == 1 else None


@dataclass(frozen=True)
class Column:
    """`name` is stable; `label` is for people; `value` is where the value comes from, seen from the table's model."""

    name: str
    label: Any
    value: Combinable
    kind: Kind
    choices: tuple[tuple[Any, Any], ...] = ()
    # Whose field it is, when that is another model than the table's.
    owner: type[models.Model] | None = None
    field: str = ""

    def exported(self, *, labels: bool, local_times: bool, safe: bool, is_large: bool = False) -> Combinable:
        """The expression that COPY writes. `labels`: the words of the active language instead of codes."""
        match self.kind:
            case Kind.TEXT:
                text = self._safe(is_large=is_large) if safe else self.value
                # What is a code where it is not a person's own words.
                return _worded(self.value, self.choices, other=text) if labels and self.choices else text
            case Kind.MOMENT:
                return LocalMoment(self.value) if local_times else IsoMoment(self.value)
            case Kind.FLAG if labels:
                return _worded(self.value, [(True, _("yes")), (False, _("no"))])
            case Kind.CODE if labels:
                return _worded(self.value, self.choices)
            case Kind.FLAG | Kind.JSON:
                return Cast(self.value, models.TextField())
        return self.value

    def _safe(self, *, is_large: bool) -> SafeText:
        if not is_large or self.owner is None:
            return SafeText(self.value)
        return SafeText(self.value, Exists(self.owner._default_manager.filter(LooksLikeFormula(F(self.field)))))


def _worded(value: Combinable, choices: Iterable[tuple[Any, Any]], other: Combinable | None = None) -> Expression:
    words = [When(_Equal(value, Value(code)), then=Value(str(word))) for code, word in choices]
    return Case(*words, default=other or Cast(value, models.TextField()), output_field=models.TextField())


class _Equal(Func):
    template = "%(expressions)s"
    arg_joiner = " = "
    arity = 2
    output_field = models.BooleanField()
    conditional = True


_KINDS: list[tuple[type[models.Field], Kind]] = [
    (models.BooleanField, Kind.FLAG),
    (models.DateTimeField, Kind.MOMENT),
    (models.DateField, Kind.DAY),
    (models.DecimalField, Kind.NUMBER),
    (models.IntegerField, Kind.INTEGER),
    (models.ForeignKey, Kind.INTEGER),
    (models.JSONField, Kind.JSON),
]


def column(model: type[models.Model], path: str, name: str = "", *, label: Any = "") -> Column:
    """The column of a field; its kind, label and choices are the field's own."""
    field = _field(model, path)
    kind = next((kind for of, kind in _KINDS if isinstance(field, of)), Kind.TEXT)
    if isinstance(field, models.GeneratedField):
        kind = next((kind for of, kind in _KINDS if isinstance(field.output_field, of)), Kind.TEXT)
    if field.choices:
        kind = Kind.CODE
    choices = tuple(field.flatchoices) if field.choices else ()
    owner = field.model if "__" in path else None
    stable = name or path.rpartition("__")[2]
    return Column(stable, label or field.verbose_name, F(path), kind, choices, owner, field.name)


def _field(model: type[models.Model], path: str) -> Any:
    *relations, last = path.split("__")
    for relation in relations:
        found: Any = model._meta.get_field(relation)
        model = found.related_model
    return model._meta.get_field(last)
