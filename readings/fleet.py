"""1013: the latest reading of every meter, streamed from PostgreSQL in bounded memory (R3, R10)."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from meters.finding import find_active_meter
from protocol.models import Company, Manufacturer
from readings.latest import RECENT_DAYS

PIECE_BYTES = 64 * 1024

# 1013's own valve codes (R8); amounts and volumes by who keeps the money (R11). `r` is the reading that is shown.
_ROW = """
    SELECT m.user_no AS "userArchivesNum", m.device_id AS "deviceId", m.meter_no AS "gasMeterNo",
        trim_scale(r.index)::text AS "readNum",
        trim_scale(coalesce(CASE m.billing_model WHEN '1' THEN r.reported_balance WHEN '2' THEN s.cis_remaining
            ELSE a.balance END, 0))::text AS "meterBalance",
        to_char(r.read_at AT TIME ZONE %(zone)s, 'YYYY-MM-DD HH24:MI:SS') AS "readDate",
        CASE r.valve WHEN 'open' THEN '0' WHEN 'closed' THEN '1' ELSE '2' END AS "valveState",
        trim_scale(coalesce(CASE m.billing_model WHEN '1' THEN r.reported_volume
            ELSE a.settled_volume - {later_volume} END, 0))::text AS "sumGas",
        trim_scale(coalesce(CASE m.billing_model WHEN '1' THEN r.reported_amount
            ELSE a.settled_amount - {later_amount} END, 0))::text AS "sumMoney"
    FROM meters_meter m
    JOIN meters_meterstate s ON s.meter_id = m.id
    JOIN meters_account a ON a.meter_id = m.id
    {reading}
    WHERE m.company_id = %(company)s AND m.manufacturer_id = %(manufacturer)s AND m.status = 'active'
        AND r.read_at IS NOT NULL AND (%(meter)s::bigint IS NULL OR m.id = %(meter)s)
"""
_LATEST = _ROW.format(later_volume="0", later_amount="0", reading="JOIN meters_meterstate r ON r.meter_id = m.id")
_AT_END_OF_DAY = _ROW.format(
    later_volume="coalesce(u.volume, 0)",
    later_amount="coalesce(u.amount, 0)",
    # Nearly every meter has a reading of the last days: all partitions are asked only for those that have none.
    reading="""
    LEFT JOIN LATERAL (
        SELECT * FROM readings_reading
        WHERE meter_id = m.id AND read_at < %(end)s AND read_at >= %(recent)s AND quality = 'valid'
        ORDER BY read_at DESC LIMIT 1) n ON true
    LEFT JOIN LATERAL (
        SELECT * FROM readings_reading
        WHERE n.read_at IS NULL AND meter_id = m.id AND read_at < %(recent)s AND quality = 'valid'
        ORDER BY read_at DESC LIMIT 1) o ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(n.read_at, o.read_at) AS read_at, coalesce(n.index, o.index) AS index,
            coalesce(n.valve, o.valve) AS valve, coalesce(n.reported_balance, o.reported_balance) AS reported_balance,
            coalesce(n.reported_volume, o.reported_volume) AS reported_volume,
            coalesce(n.reported_amount, o.reported_amount) AS reported_amount) r
    LEFT JOIN (
        SELECT meter_id, sum(volume) AS volume, sum(amount) AS amount FROM readings_dailyusage
        WHERE day > %(day)s GROUP BY meter_id) u ON u.meter_id = m.id
    """,
)
# CSV with control characters for quote and delimiter: JSON text never holds them raw, so rows come out as they are.
_COPY = "COPY (SELECT row_to_json(x) FROM ({rows}) x) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"


def stream_fleet_readings(
    *,
    company: Company,
    manufacturer: Manufacturer,
    serial_no: str,
    meter_no: str | None,
    through: date | None,
) -> Iterator[bytes]:
    """The whole answer of 1013 in pieces. Raises MeterUnknown before the first piece when `meter_no` is not active."""
    parameters: dict[str, Any] = {
        "zone": settings.TIME_ZONE,
        "company": company.pk,
        "manufacturer": manufacturer.pk,
        "meter": None,
    }
    if meter_no is not None:
        parameters["meter"] = find_active_meter(company=company, manufacturer=manufacturer, meter_no=meter_no).pk
    if through is None:
        rows = _LATEST
    else:
        rows = _AT_END_OF_DAY
        end = timezone.make_aware(datetime.combine(through + timedelta(days=1), time.min))
        parameters |= {"end": end, "recent": end - timedelta(days=RECENT_DAYS), "day": through}
    return _pieces(_COPY.format(rows=rows), parameters, serial_no=serial_no)


def _pieces(statement: str, parameters: dict[str, Any], *, serial_no: str) -> Iterator[bytes]:
    piece = bytearray(b'{"echoCode":"0000","echoMsg":{"readingData":{"data":[')
    total = 0
    with connection.cursor() as cursor, cursor.copy(cursor.mogrify(statement, parameters)) as copy:
        for row in copy:
            if total:
                piece += b","
            piece += bytes(row).rstrip(b"\n")
            total += 1
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
    piece += b'],"total":"%d"},"serialNo":%b}}' % (total, orjson.dumps(serial_no))
    yield bytes(piece)
