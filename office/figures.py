"""Counting ahead what the home page shows: fleets, days and hours of each company (see `office.models`).

Each part is deleted and counted anew for its window, under a lock that lets readers through.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from office.models import DayFigures

KEPT_HOURS: Final = timedelta(days=62)
# Readings that come later than this are in the fleet's days, not in its hours.
READINGS_WINDOW: Final = timedelta(hours=3)
COMMANDS_WINDOW: Final = timedelta(hours=26)
CALLBACKS_WINDOW: Final = timedelta(hours=6)
RECENT_DAYS: Final = 1
NIGHTLY_DAYS: Final = 31

_FLEETS = """
    INSERT INTO office_fleetfigures
           (company_id, at, meters, active, reporting, valve_open, valve_closed, in_arrears)
    SELECT m.company_id, %(now)s, count(*), count(*) FILTER (WHERE m.status = 'active'),
           count(*) FILTER (WHERE m.status = 'active' AND s.reported_at >= %(today)s),
           count(*) FILTER (WHERE m.status = 'active' AND s.valve = 'open'),
           count(*) FILTER (WHERE m.status = 'active' AND s.valve = 'closed'),
           count(*) FILTER (WHERE a.in_arrears)
      FROM meters_meter m
      JOIN meters_meterstate s ON s.meter_id = m.id
      JOIN meters_account a ON a.meter_id = m.id
     GROUP BY m.company_id
"""
_DAYS = """
    INSERT INTO office_dayfigures (company_id, day, volume, amount)
    SELECT m.company_id, u.day, sum(u.volume), sum(u.amount)
      FROM readings_dailyusage u JOIN meters_meter m ON m.id = u.meter_id
     WHERE u.day BETWEEN %(first)s AND %(last)s
     GROUP BY m.company_id, u.day
"""
_READINGS = """
    INSERT INTO office_hourfigures
           (company_id, hour, readings, commands_done, commands_not_done, callbacks, callback_seconds)
    SELECT m.company_id, date_trunc('hour', r.read_at), count(*), 0, 0, 0, 0
      FROM readings_reading r JOIN meters_meter m ON m.id = r.meter_id
     WHERE r.read_at >= %(since)s AND r.read_at < %(now)s AND r.source = 'report'
     GROUP BY 1, 2
    ON CONFLICT (company_id, hour) DO UPDATE SET readings = excluded.readings
"""
_COMMANDS = """
    INSERT INTO office_hourfigures
           (company_id, hour, readings, commands_done, commands_not_done, callbacks, callback_seconds)
    SELECT m.company_id, date_trunc('hour', c.finished_at), 0, count(*) FILTER (WHERE c.state = 'succeeded'),
           count(*) FILTER (WHERE c.state IN ('failed', 'expired')), 0, 0
      FROM commands_command c JOIN meters_meter m ON m.id = c.meter_id
     WHERE c.finished_at >= %(since)s AND c.finished_at < %(now)s
     GROUP BY 1, 2
    ON CONFLICT (company_id, hour) DO UPDATE
    SET commands_done = excluded.commands_done, commands_not_done = excluded.commands_not_done
"""
_CALLBACKS = """
    INSERT INTO office_hourfigures
           (company_id, hour, readings, commands_done, commands_not_done, callbacks, callback_seconds)
    SELECT m.company_id, date_trunc('hour', o.created_at), 0, 0, 0, count(*),
           sum(extract(epoch FROM o.finished_at - o.created_at))
      FROM protocol_outboundmessage o JOIN meters_meter m ON m.id = o.lane
     WHERE o.created_at >= %(since)s AND o.created_at < %(now)s
       AND o.state = 'delivered' AND o.code IN ('2001', '2002', '2003')
     GROUP BY 1, 2
    ON CONFLICT (company_id, hour) DO UPDATE
    SET callbacks = excluded.callbacks, callback_seconds = excluded.callback_seconds
"""
_HOURS: Final = [(_READINGS, READINGS_WINDOW), (_COMMANDS, COMMANDS_WINDOW), (_CALLBACKS, CALLBACKS_WINDOW)]


def refresh(*, now: datetime) -> None:
    """Fleets, the last hours, and the last two days; all days of the charts when none of them is there yet."""
    today = timezone.localdate(now)
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    _replace("office_fleetfigures", "DELETE FROM office_fleetfigures", _FLEETS, now=now, today=midnight)
    for sql, window in _HOURS:
        _replace("office_hourfigures", "", sql, now=now, since=_hour(now - window))
    recent = today - timedelta(days=RECENT_DAYS)
    # A new platform settles its first days in one go, long before the night.
    has_earlier = DayFigures.objects.filter(day__lt=recent).exists()
    refresh_days(first=recent if has_earlier else today - timedelta(days=NIGHTLY_DAYS), last=today)


def refresh_days(*, first: date, last: date) -> None:
    """The days from `first` through `last`, which settling again may have changed."""
    forget = "DELETE FROM office_dayfigures WHERE day BETWEEN %(first)s AND %(last)s"
    _replace("office_dayfigures", forget, _DAYS, first=first, last=last)


def refresh_nightly(*, now: datetime) -> None:
    """All days that a chart shows; what no chart shows any more goes."""
    today = timezone.localdate(now)
    refresh_days(first=today - timedelta(days=NIGHTLY_DAYS), last=today)
    forget = "DELETE FROM office_hourfigures WHERE hour < %(before)s"
    _replace("office_hourfigures", forget, "", before=now - KEPT_HOURS)


@transaction.atomic
def _replace(table: str, forget: str, count: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        # Two at once would count the same twice; who only reads is not kept waiting.
        cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        for sql in filter(None, (forget, count)):
            cursor.execute(sql, parameters)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
