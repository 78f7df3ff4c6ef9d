"""Settling again on request: by meter or by price, from a day on, with every change told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from meters.models import Meter, MeterPrice
from pricing.models import Price
from protocol.transactions import atomically
from readings.settlement import settle

_REMEMBER = """
    CREATE TEMPORARY TABLE usage_before AS
    SELECT u.meter_id, u.day, sum(u.volume) AS volume, sum(u.amount) AS amount
    FROM readings_dailyusage u WHERE u.meter_id = ANY(%(meters)s) AND u.day >= %(begins)s
    GROUP BY u.meter_id, u.day
"""
_LOCK = """
    SELECT count(*) FROM (
        SELECT 1 FROM meters_account WHERE meter_id = ANY(%(meters)s) ORDER BY is_heir, meter_id FOR UPDATE) locked
"""
_MOVE_BACK = """
    UPDATE meters_account a
    SET unsettled_from = greatest(%(begins)s, (m.registered_at AT TIME ZONE %(zone)s)::date)
    FROM meters_meter m
    WHERE m.id = a.meter_id AND a.meter_id = ANY(%(meters)s)
        AND a.unsettled_from > greatest(%(begins)s, (m.registered_at AT TIME ZONE %(zone)s)::date)
"""
# An heir that is not settled yet took over what the cycle had used: it is asked of the rows instead, as is of days that
# are settled again.
_FORGET_CYCLE = "UPDATE meters_account SET cycle_start = NULL WHERE meter_id = ANY(%(meters)s) AND is_heir"
# With the meters come those that later replaced them: their running cycle depends on what these used.
_WITH_HEIRS = """
    SELECT DISTINCT h.id FROM meters_meter m
    JOIN meters_meter h ON h.id = m.id OR (h.origin_id = coalesce(m.origin_id, m.id) AND h.id > m.id)
    WHERE m.id = ANY(%(meters)s)
    ORDER BY h.id
"""
_CHANGES = """
    SELECT m.meter_no, coalesce(b.day, n.day) AS day, coalesce(b.volume, 0), coalesce(n.volume, 0),
        coalesce(b.amount, 0), coalesce(n.amount, 0)
    FROM usage_before b
    FULL JOIN (
        SELECT u.meter_id, u.day, sum(u.volume) AS volume, sum(u.amount) AS amount
        FROM readings_dailyusage u WHERE u.meter_id = ANY(%(meters)s) AND u.day >= %(begins)s
        GROUP BY u.meter_id, u.day) n ON n.meter_id = b.meter_id AND n.day = b.day
    JOIN meters_meter m ON m.id = coalesce(b.meter_id, n.meter_id)
    WHERE (coalesce(b.volume, 0), coalesce(b.amount, 0)) <> (coalesce(n.volume, 0), coalesce(n.amount, 0))
    ORDER BY m.id, day
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A day of a meter before and after: volumes in m3, amounts in CNY."""

    meter_no: str
    day: date
    old_volume: Decimal
    new_volume: Decimal
    old_amount: Decimal
    new_amount: Decimal


def meters_with_price(price: Price, *, begins: date) -> QuerySet[Meter]:
    """Meters that had `price` on some day from `begins` on."""
    rows = MeterPrice.objects.filter(Q(ends__isnull=True) | Q(ends__gt=begins), price=price)
    return Meter.objects.filter(pk__in=rows.values("meter"))


def resettle(
    meters: QuerySet[Meter],
    *,
    begins: date,
    through: date,
    now: datetime,
    tell: Callable[[Change], None],
    dry_run: bool = False,
) -> None:
    """Settle `meters` from `begins` on again and tell every day that changed; a dry run then undoes everything.

    Whatever else is due through `through` is settled as well, as by any settlement. Raises DayInFuture.
    """
    parameters = {"meters": with_heirs(list(meters.values_list("pk", flat=True))), "begins": begins}
    if not dry_run:
        _settle_again(parameters, through=through, now=now, tell=tell)
        return
    _only_try(parameters, through=through, now=now, tell=tell)


@atomically
def _only_try(parameters: dict[str, Any], *, through: date, now: datetime, tell: Callable[[Change], None]) -> None:
    _settle_again(parameters, through=through, now=now, tell=tell)
    transaction.set_rollback(True)


def with_heirs(meters: list[int]) -> list[int]:
    """These meters and those that replaced them, by id."""
    with connection.cursor() as cursor:
        cursor.execute(_WITH_HEIRS, {"meters": meters})
        return [row[0] for row in cursor.fetchall()]


def lock_with_heirs(meters: list[int]) -> list[int]:
    """Hold the account rows of these meters and of those that replaced them, in the order of settlement; their ids.

    In a transaction. One that was just being replaced has a new heir when its lock comes: then that one is held too.
    """
    held: list[int] = []
    while (found := with_heirs(meters)) != held:
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, {"meters": found})
        held = found
    return held


@atomically
def move_back_from(meters: list[int], *, begins: date) -> None:
    """Have these meters and their heirs settled again from the local day `begins`, or from the first of their lives."""
    parameters = {"meters": lock_with_heirs(meters), "begins": begins, "zone": settings.TIME_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_BACK, parameters)
        cursor.execute(_FORGET_CYCLE, parameters)


def _settle_again(parameters: dict[str, Any], *, through: date, now: datetime, tell: Callable[[Change], None]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, parameters)
        move_back_from(parameters["meters"], begins=parameters["begins"])
        settle(through=through, now=now)
        cursor.execute(_CHANGES, parameters)
        while rows := cursor.fetchmany(1000):
            for row in rows:
                tell(Change(*row))
        cursor.execute("DROP TABLE usage_before")
