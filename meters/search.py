"""Finding meters by what a person on the telephone knows: a number, or a part of a name or an address."""

import json
from typing import Final

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from meters.models import Meter, MeterStatus

MOST_KEYS: Final = 1_000
SHORTEST_BEGINNING: Final = 4
# A word that more meters hold is not looked up: among the rows in the order of a list it turns up soon enough.
COMMON: Final = 100_000
# The expression of the index `meter_pieces`.
_PIECES: Final = "meters_pieces(meters_meter.user_name || ' ' || meters_meter.address) @> meters_pairs(%s)"
_PART: Final = "(meters_meter.user_name || ' ' || meters_meter.address) ILIKE %s"


def numbered_exactly(meters: QuerySet[Meter], text: str) -> QuerySet[Meter]:
    """Those with exactly this meter or user number, phone, or (in service) device id: one index each."""
    number = text.strip()
    keys: set[int] = set()
    for fields in (
        {"meter_no": number},
        {"user_no": number},
        {"phone": number},
        {"device_id": number, "status": MeterStatus.ACTIVE},
    ):
        if number:
            keys.update(Meter.objects.filter(**fields).order_by("-pk").values_list("pk", flat=True)[:MOST_KEYS])
    return meters.filter(pk__in=keys)


def beginning_with(meters: QuerySet[Meter], text: str) -> QuerySet[Meter]:
    """Those whose meter or user number begins so; none for less than SHORTEST_BEGINNING characters."""
    number = text.strip()
    if len(number) < SHORTEST_BEGINNING:
        return meters.none()
    pattern = _escaped(number) + "%"
    where = "(meters_meter.meter_no LIKE %s OR meters_meter.user_no LIKE %s)"
    return meters.filter(RawSQL(where, (pattern, pattern), BooleanField()))  # noqa: S611  (its values are bound)


def containing(meters: QuerySet[Meter], text: str) -> QuerySet[Meter]:
    """Those whose name and address hold every word of `text`; none for a text without words."""
    words = text.split()
    if not words:
        return meters.none()
    for word in words:
        if expected(word) < COMMON:
            meters = meters.filter(RawSQL(_PIECES, (word,), BooleanField()))  # noqa: S611  (its values are bound)
        meters = meters.filter(RawSQL(_PART, (f"%{_escaped(word)}%",), BooleanField()))  # noqa: S611  (its values are bound)
    return meters


def expected(word: str) -> int:
    """How many meters the planner expects to hold this word; nothing is read for it."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT json) SELECT 1 FROM meters_meter WHERE {_PIECES}", [word])  # noqa: S608
        plan = cursor.fetchone()[0]
    return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
