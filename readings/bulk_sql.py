"""Statements of a bulk import (readings/bulk.py): each serves a whole batch.

Arrays and JSON carry the rows in, so that a batch needs no table of its own.
"""

from typing import Final

from readings.intake import TELEMETRY
from readings.latest import RECENT_DAYS
from readings.serializers import TELEMETRY_FIELDS

_NAMED: Final = """
    unnest(%(manufacturers)s::bigint[], %(meter_nos)s::text[]) AS named (manufacturer_id, meter_no)
    JOIN meters_meter m ON m.manufacturer_id = named.manufacturer_id AND m.meter_no = named.meter_no
        AND m.status = 'active'
"""
# Accounts first, in the order of settlement: of meters that replaced no other, then the rest, each in order of id.
LOCK: Final = f"""
    SELECT a.meter_id FROM meters_account a WHERE a.meter_id IN (SELECT m.id FROM {_NAMED})
    ORDER BY a.is_heir, a.meter_id FOR UPDATE OF a
"""  # noqa: S608  (parts of our own)
# A statement of its own, which sees the meters as they are once they are locked; states in the same order.
LOOK: Final = f"""
    SELECT m.id, m.manufacturer_id, m.meter_no, m.company_id, m.user_no, m.device_id, m.billing_model, m.registered_at,
        m.initial_index, a.unsettled_from, s.read_at, s.index, s.reported_at,
        EXISTS (SELECT 1 FROM alarms_alarm WHERE meter_id = m.id AND state IN ('open', 'acknowledged')),
        t.battery_volts,
        (SELECT CASE WHEN state = 'succeeded' THEN payload ->> 'valveSet' END FROM commands_command
         WHERE meter_id = m.id AND kind = '03' ORDER BY id DESC LIMIT 1)
    FROM {_NAMED}
    JOIN meters_account a ON a.meter_id = m.id
    JOIN meters_meterstate s ON s.meter_id = m.id
    LEFT JOIN alarms_alarmthresholds t ON t.manufacturer_id = m.manufacturer_id
    WHERE m.id = ANY(%(locked)s)
    ORDER BY s.meter_id FOR UPDATE OF s
"""  # noqa: S608
_SPANS: Final = """
    unnest(%(meters)s::bigint[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(later)s::boolean[])
        AS span (meter_id, first, last, later)
"""
_SOON: Final = f"read_at > span.last AND read_at <= span.last + interval '{RECENT_DAYS} days'"
_AFTERWARDS: Final = f"read_at > span.last + interval '{RECENT_DAYS} days'"
_NEXT_VALID: Final = """(
    SELECT read_at FROM readings_reading
    WHERE meter_id = span.meter_id AND quality = 'valid' AND {period} ORDER BY read_at LIMIT 1)"""
_ENDING: Final = ", ".join(_NEXT_VALID.format(period=period) for period in (_SOON, _AFTERWARDS))
# The stored readings from the first new one of a meter to the first valid one after its last new one: as a rule that
# one stays valid, and no reading after it is judged anew. `later` says whether there can be such a one.
NEAR: Final = f"""
    SELECT span.meter_id, r.read_at, r.index, r.quality, r.decision
    FROM {_SPANS}
    CROSS JOIN LATERAL (
        SELECT CASE WHEN span.later THEN coalesce({_ENDING}, 'infinity') ELSE 'infinity' END AS until OFFSET 0) ending
    CROSS JOIN LATERAL (
        SELECT read_at, index, id, quality, decision FROM readings_reading
        WHERE meter_id = span.meter_id AND read_at >= span.first AND read_at <= ending.until AND read_at >= %(first)s
        OFFSET 0) r
    ORDER BY span.meter_id, r.read_at, r.id
"""  # noqa: S608
# The last valid reading before the first new one, where the latest one of the meter is not it; `recent`: of the last
# weeks only, which spares most partitions.
BEFORE: Final = f"""
    SELECT span.meter_id, r.read_at, r.index
    FROM {_SPANS}
    CROSS JOIN LATERAL (
        SELECT read_at, index FROM readings_reading
        WHERE meter_id = span.meter_id AND quality = 'valid' AND read_at < span.first
            AND (NOT %(recent)s OR read_at >= span.first - interval '{RECENT_DAYS} days')
        ORDER BY read_at DESC LIMIT 1) r
"""  # noqa: S608
CHANGE: Final = """
    UPDATE readings_reading r SET quality = v.quality
    FROM unnest(%(meters)s::bigint[], %(moments)s::timestamptz[], %(indexes)s::numeric[], %(qualities)s::text[])
        AS v (meter_id, read_at, index, quality)
    WHERE r.meter_id = v.meter_id AND r.read_at = v.read_at AND r.index = v.index AND r.read_at >= %(first)s
"""
MOVE_BACK: Final = """
    UPDATE meters_account a SET unsettled_from = v.day
    FROM unnest(%(meters)s::bigint[], %(days)s::date[]) AS v (meter_id, day)
    WHERE a.meter_id = v.meter_id AND v.day < a.unsettled_from
"""
_REPORTED: Final = ("reported_at", "valve", *TELEMETRY)
# `moved`: the latest valid reading is another one; `reported`: there was a report later than all before.
STATES: Final = f"""
    UPDATE meters_meterstate s SET
        read_at = CASE WHEN v.moved THEN v.read_at ELSE s.read_at END,
        index = CASE WHEN v.moved THEN v.index ELSE s.index END,
        {", ".join(f"{name} = CASE WHEN v.reported THEN v.{name} ELSE s.{name} END" for name in _REPORTED)}
    FROM json_to_recordset(%(rows)s::json) AS v (meter_id bigint, moved boolean, reported boolean,
        read_at timestamptz, index numeric, reported_at timestamptz, valve text,
        {", ".join(f"{name} numeric" for name in TELEMETRY)})
    WHERE s.meter_id = v.meter_id
"""  # noqa: S608
COPIED: Final = ("meter_id", "read_at", "index", "quality", "source", "received_at", "valve", *TELEMETRY_FIELDS)
