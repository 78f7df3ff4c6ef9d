"""A platform large enough for the pages of the staff: python -m benchmarks.admin_fill METERS READINGS

Fills the migrated, empty database of DATABASE_URL, with one connection; a million meters with 10^8 readings take about
an hour and 30 GB.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

FILL = Path(__file__).resolve().parent / "admin_fill.sql"
# Days of messages before today.
MESSAGE_DAYS = 21
# One reading per meter on one day; one of a thousand is flagged.
_READINGS_OF_DAY = """
    INSERT INTO readings_reading (meter_id, read_at, index, quality, source, received_at, valve, decision,
            battery_voltage, signal_percent, temperature, reported_price, reported_balance)
    SELECT m, t, m %% 300 + %(turn)s, CASE WHEN (m + %(turn)s * 7) %% 1000 = 0 THEN 'jump' ELSE 'valid' END, 'report',
        t + interval '3 seconds', 'open', CASE WHEN (m + %(turn)s * 7) %% 2000 = 0 THEN 'rejected' ELSE '' END,
        6.2, 80, 18.4, 0, 12
    FROM generate_series(1, %(meters)s) m,
        LATERAL (SELECT %(day)s::timestamptz + m * (interval '23 hours' / %(meters)s)) s(t)
"""


def fill(
    connection: psycopg.Connection[Any], *, meters: int, readings: int, say: Callable[[str], None] = print
) -> None:
    """All rows, then what the platform does by itself: statistics, and the figures of the home page."""
    from django.utils import timezone

    from office.figures import refresh, refresh_nightly

    connection.execute("SET maintenance_work_mem = '512MB'")
    fill_rows(connection, meters=meters, readings=readings, say=say)
    say("VACUUM ANALYZE")
    connection.execute("VACUUM ANALYZE")
    refresh(now=timezone.now())
    refresh_nightly(now=timezone.now())


def fill_rows(
    connection: psycopg.Connection[Any], *, meters: int, readings: int, say: Callable[[str], None] = print
) -> None:
    """Everything but the readings by FILL; then one reading per meter and day, back in time."""
    from django.utils import timezone

    from benchmarks.backlog import make_room

    turns, now = max(readings // meters, 1), timezone.now()
    first = datetime.combine(timezone.localdate(now), time(), tzinfo=UTC) - timedelta(days=turns + 1)
    make_room(since=min(first, now - timedelta(days=MESSAGE_DAYS)))
    for statement in FILL.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            say(statement.strip().removeprefix("--").splitlines()[0][:100])
            connection.execute(statement.replace(":meters", str(meters)))
    with without_indexes(connection, "readings_reading"):
        for turn in range(1, turns + 1):
            say(f"readings of day {turn} of {turns}")
            day = first + timedelta(days=turn)
            connection.execute(_READINGS_OF_DAY, {"turn": turn, "meters": meters, "day": day})


@contextmanager
def without_indexes(connection: psycopg.Connection[Any], table: str) -> Iterator[None]:
    """Rows are added many times as fast; afterwards each index is made at once."""
    keys = connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
        [table],
    ).fetchall()
    indexes = connection.execute(
        """SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
        FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary""",
        [table],
    ).fetchall()
    for name, _definition in keys:
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(name))
        )
    for name, _definition in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    for _name, definition in indexes:
        connection.execute(definition)
    for name, definition in keys:
        statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(name), sql.SQL(definition)))


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    meters, readings = map(int, sys.argv[1:])
    url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as connection:
        began = datetime.now(UTC)
        fill(connection, meters=meters, readings=readings, say=lambda text: print(datetime.now(UTC) - began, text))


if __name__ == "__main__":
    main()
