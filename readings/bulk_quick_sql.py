"""Statements of the short way of an import (readings/bulk_quick.py): rows of CSV become readings without leaving
PostgreSQL.

They do not judge: they only find the meters of which every line plainly is the next valid reading, by conditions that
are narrower than the rules. All others go the usual way.
"""

from functools import cache
from typing import Any, Final

from commands.kinds import VALVE_SET
from meters.models import ValveState
from protocol.fields import NumberField
from protocol.statements import insertion
from readings.bulk_lines import IGNORED_COLUMNS
from readings.intake import TELEMETRY
from readings.models import Quality, Reading, Source
from readings.next_report import KNOWN_VALVES
from readings.serializers import TELEMETRY_FIELDS, ReportSerializer

_TEXTS: Final = ("company", "manufacturer", "meter_no", "user_no", "device_id", "read_at", "source", "valve")
_NUMBERS: Final = ("index", *TELEMETRY_FIELDS)
CREATE: Final = f"""
    CREATE TEMP TABLE bulk_incoming (n bigint GENERATED ALWAYS AS IDENTITY,
        {", ".join(f'"{name}" text' for name in (*_TEXTS, *IGNORED_COLUMNS))},
        {", ".join(f'"{name}" numeric' for name in _NUMBERS)}) ON COMMIT DROP
"""
NAMED: Final = """
    CREATE TEMP TABLE bulk_named ON COMMIT DROP AS
    SELECT named.manufacturer, named.meter_no, m.id
    FROM (SELECT DISTINCT manufacturer, meter_no FROM bulk_incoming) named
    JOIN protocol_manufacturer f ON f.factor_no = named.manufacturer
    JOIN meters_meter m ON m.manufacturer_id = f.id AND m.meter_no = named.meter_no AND m.status = 'active'
"""
# Without it the planner sorts texts where it had better hash them.
ANALYZE: Final = "ANALYZE bulk_incoming (manufacturer, meter_no), bulk_named"
# Accounts first, then states, each in order of id.
LOCK_ACCOUNTS: Final = """
    SELECT 1 FROM meters_account a WHERE a.meter_id IN (SELECT id FROM bulk_named)
    ORDER BY a.meter_id FOR UPDATE OF a
"""
LOCK_STATES: Final = """
    SELECT 1 FROM meters_meterstate s WHERE s.meter_id IN (SELECT id FROM bulk_named)
    ORDER BY s.meter_id FOR UPDATE OF s
"""
# As the meters are once they are locked.
_METER: Final = """
    bulk_incoming i JOIN bulk_named b ON b.manufacturer = i.manufacturer AND b.meter_no = i.meter_no
    JOIN meters_meter m ON m.id = b.id AND m.status = 'active'
    JOIN protocol_company c ON c.id = m.company_id
"""
# 2026-02-01T12:00:00+08:00. Patterns of LIKE, since regular expressions would take most of the time.
_ISO: Final = """
    (i.read_at LIKE '____-__-__T__:__:__+__:__' OR i.read_at LIKE '____-__-__T__:__:__-__:__')
    AND substr(i.read_at, 12, 2) < '24' AND substr(i.read_at, 18, 2) < '60'
"""
# What the line names is the meter that was found.
_MEANT: Final = """
    c.code = coalesce(i.company, %(company)s)
    AND (i.user_no IS NULL OR i.user_no = m.user_no) AND (i.device_id IS NULL OR i.device_id = m.device_id)
"""


@cache
def plain() -> str:
    """What can be read of a line at once, and obeys the limits of 2001's fields."""
    valves = ", ".join(f"'{state.value}'" for state in ValveState)
    wire = {name: ReportSerializer().fields[field] for name, field in TELEMETRY_FIELDS.items()}
    within = [_within(name, field) for name, field in {"index": NumberField(), **wire}.items()]
    return f"""
        CASE WHEN {_ISO} AND i.index IS NOT NULL
            AND coalesce(i.source, '{Source.REPORT.value}') = '{Source.REPORT.value}'
            AND coalesce(i.valve, '{ValveState.UNKNOWN.value}') IN ({valves})
        THEN ({" AND ".join(within)} AND i.read_at::timestamptz <= %(latest)s AND {_MEANT}) IS TRUE ELSE false END
    """


def _within(name: str, field: Any) -> str:
    """At most 4 decimals (NaN and infinity have no scale), and no more digits than the field takes."""
    lowest = f"> -1e{field.integer_digits}" if field.signed else ">= 0"
    return f"(i.{name} IS NULL OR scale(i.{name}) <= 4 AND i.{name} {lowest} AND i.{name} < 1e{field.integer_digits})"


@cache
def ordinary() -> str:
    """The meters all of whose lines plainly are their next readings, one after another, and of which nothing else is
    going on (as `readings.next_report.Seen.is_ordinary` has it); with their first and last line."""
    said = ", ".join(f"bool_or(valve = '{state.value}') AS says_{state.value}" for state in KNOWN_VALVES)
    obeys = " ".join(
        f"WHEN '{code}' THEN NOT ({' OR '.join(f'w.says_{other.value}' for other in KNOWN_VALVES if other != state)})"
        for code, state in VALVE_SET.items()
    )
    return f"""
        CREATE TEMP TABLE bulk_ordinary ON COMMIT DROP AS
        WITH line AS MATERIALIZED (
            SELECT i.n, m.id AS meter_id, {plain()} AS is_plain, i.valve,
                CASE WHEN {_ISO} THEN i.read_at::timestamptz END AS read_at, i.index, i.battery_voltage AS volts
            FROM {_METER}),
        step AS (
            SELECT *, lag(read_at) OVER in_turn AS read_before, lag(index) OVER in_turn AS index_before FROM line
            WINDOW in_turn AS (PARTITION BY meter_id ORDER BY n)),
        whole AS (
            SELECT meter_id, max(n) AS last_n, min(read_at) AS first_at, min(index) AS first_index,
                min(volts) AS volts, {said}
            FROM step GROUP BY meter_id
            HAVING bool_and(is_plain AND (read_before IS NULL OR read_at > read_before
                AND index >= index_before AND index - index_before <= %(jump)s)))
        SELECT w.meter_id, w.last_n, w.first_at
        FROM whole w
        JOIN meters_meter m ON m.id = w.meter_id
        JOIN meters_meterstate s ON s.meter_id = w.meter_id
        LEFT JOIN alarms_alarmthresholds t ON t.manufacturer_id = m.manufacturer_id
        WHERE w.first_at >= m.registered_at AND (s.reported_at IS NULL OR s.reported_at < w.first_at)
            AND (s.read_at IS NULL OR s.read_at < w.first_at)
            AND w.first_index BETWEEN coalesce(s.index, m.initial_index)
                AND coalesce(s.index, m.initial_index) + %(jump)s
            AND (w.volts IS NULL OR w.volts >= coalesce(t.battery_volts, %(volts)s))
            AND NOT EXISTS (SELECT 1 FROM alarms_alarm
                WHERE meter_id = w.meter_id AND state IN ('open', 'acknowledged'))
            AND (SELECT CASE WHEN state = 'succeeded' THEN CASE payload ->> 'valveSet' {obeys} END END
                FROM commands_command WHERE meter_id = w.meter_id AND kind = '03' ORDER BY id DESC LIMIT 1
                ) IS NOT FALSE
            AND NOT EXISTS (SELECT 1 FROM readings_reading r
                WHERE r.meter_id = w.meter_id AND r.read_at >= w.first_at AND r.read_at >= %(first)s)
    """  # noqa: S608


@cache
def known() -> str:
    """Drop lines that are stored already, of meters that are not ordinary. What this overlooks, the usual way finds."""
    return f"""
        DELETE FROM bulk_incoming d USING (
            SELECT i.n FROM {_METER}
            WHERE {plain()} AND m.id NOT IN (SELECT meter_id FROM bulk_ordinary)
                AND EXISTS (SELECT 1 FROM readings_reading r WHERE r.meter_id = m.id
                    AND r.read_at = i.read_at::timestamptz AND r.index = i.index)) gone
        WHERE d.n = gone.n
    """  # noqa: S608


_LINES: Final = """
    bulk_ordinary o JOIN bulk_named b ON b.id = o.meter_id
    JOIN bulk_incoming i ON i.manufacturer = b.manufacturer AND i.meter_no = b.meter_no
"""


@cache
def store() -> str:
    return insertion(
        Reading,
        {
            "meter_id": "o.meter_id",
            "read_at": "i.read_at::timestamptz",
            "index": "i.index",
            "quality": f"'{Quality.VALID.value}'",
            "source": f"'{Source.REPORT.value}'",
            "received_at": "%(now)s",
            "valve": f"coalesce(i.valve, '{ValveState.UNKNOWN.value}')",
            **{name: f"i.{name}" for name in TELEMETRY_FIELDS},
        },
        source=f"FROM {_LINES} ORDER BY o.meter_id, i.n",
    )


STATES: Final = f"""
    UPDATE meters_meterstate s SET read_at = i.read_at::timestamptz, index = i.index,
        reported_at = i.read_at::timestamptz, valve = coalesce(i.valve, '{ValveState.UNKNOWN.value}'),
        {", ".join(f"{name} = i.{name}" for name in TELEMETRY)}
    FROM bulk_ordinary o JOIN bulk_incoming i ON i.n = o.last_n
    WHERE s.meter_id = o.meter_id
"""  # noqa: S608
MOVE_BACK: Final = """
    UPDATE meters_account a SET unsettled_from = (o.first_at AT TIME ZONE %(zone)s)::date
    FROM bulk_ordinary o
    WHERE a.meter_id = o.meter_id AND (o.first_at AT TIME ZONE %(zone)s)::date < a.unsettled_from
"""
# The lines that are left to the usual way.
LEFT: Final = f"""
    SELECT n FROM bulk_incoming WHERE n NOT IN (SELECT i.n FROM {_LINES}) ORDER BY n
"""  # noqa: S608
# The messages to the CIS that are owed for the others.
TOLD: Final = f"""
    SELECT o.meter_id, m.company_id, m.manufacturer_id, m.user_no, m.device_id, m.meter_no, m.billing_model,
        to_char(i.read_at::timestamptz AT TIME ZONE %(zone)s, 'YYYYMMDDHH24MISS'), i.valve, i.index,
        {", ".join(f"i.{name}" for name in TELEMETRY_FIELDS)}
    FROM {_LINES} JOIN meters_meter m ON m.id = o.meter_id ORDER BY o.meter_id, i.n
"""  # noqa: S608
DROP: Final = "DROP TABLE bulk_incoming, bulk_named, bulk_ordinary"
