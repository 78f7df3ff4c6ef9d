"""Settling one day of a fleet against bare SQL on the same data.

The floor is what any settlement must do: one INSERT ... SELECT of the day's usage, split over three tiers, in key
order, and one UPDATE of a narrow account row per meter. It is measured in one session with a plain table of usage; in
two sessions, each with half of the meters in one transaction, with usage cut by month; and once more with the account
history, one entry per meter. The project settles the same day with `settle`, in as many sessions as it is set to: two.
"""

import os
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone
from psycopg import sql

from benchmarks.backlog import make_room
from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Section

DAY = date(2026, 3, 17)
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
HERE = Path(__file__).resolve().parent

FILL = HERE / "settlement_fill.sql"
RESET = """
    TRUNCATE readings_dailyusage, meters_accountentry;
    UPDATE meters_account SET unsettled_from = '2026-03-17', settled_through = '2026-03-16',
        settled_index = (meter_id % 300), cycle_start = '2026-01-01', cycle_volume = meter_id % 300,
        settled_volume = meter_id % 300, settled_amount = 0, in_arrears = false;
    TRUNCATE floor_usage; DROP TABLE IF EXISTS floor_account, floor_usage_by_month, floor_entry;
    CREATE TABLE floor_usage_by_month (LIKE floor_usage INCLUDING ALL) PARTITION BY RANGE (day);
    CREATE TABLE floor_usage_in_march PARTITION OF floor_usage_by_month
        FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
    CREATE TABLE floor_entry (LIKE meters_accountentry INCLUDING ALL);
    CREATE TABLE floor_account (meter_id bigint PRIMARY KEY, settled_index numeric(14,4), cycle_volume numeric(14,4),
        settled_amount numeric(16,4), settled_through date) WITH (fillfactor = 50);
    INSERT INTO floor_account SELECT g, g % 300, g % 300, 0, '2026-03-16' FROM generate_series(1, %(meters)s) g;
"""
TWO, HISTORY = "bare SQL, two sessions", "bare SQL, two sessions, with the account history"
SETTLED = (
    "readings_dailyusage",
    "meters_accountentry",
    "meters_account",
    "floor_usage",
    "floor_account",
    "floor_entry",
)
FLOOR_USAGE = """
    INSERT INTO {usage}
    SELECT u.meter_id, date '2026-03-17', t.position, part.volume, t.unit_price, round(part.volume * t.unit_price, 4)
    FROM (
        SELECT r.meter_id, max(r.index) - min(a.settled_index) AS volume, min(a.cycle_volume) AS used
        FROM readings_reading r JOIN floor_account a ON a.meter_id = r.meter_id
        WHERE r.quality = 'valid' {half} AND r.read_at >= timestamptz '2026-03-17 00:00+08'
            AND r.read_at < timestamptz '2026-03-18 00:00+08'
        GROUP BY r.meter_id) u
    CROSS JOIN generate_series(1, 3) step
    JOIN pricing_pricetier t ON t.version_id = 1 AND t.position = step
    CROSS JOIN LATERAL (
        SELECT least(u.used + u.volume, t.upper) - greatest(u.used, t.lower) AS volume) part
    WHERE part.volume > 0
    ORDER BY u.meter_id
"""
FLOOR_ACCOUNT = """
    UPDATE floor_account a
    SET settled_index = a.settled_index + u.volume, cycle_volume = a.cycle_volume + u.volume,
        settled_amount = a.settled_amount + u.amount, settled_through = '2026-03-17'
    FROM (SELECT r.meter_id, sum(r.volume) AS volume, sum(r.amount) AS amount FROM {usage} r
        WHERE r.day = '2026-03-17' {half} GROUP BY r.meter_id) u
    WHERE u.meter_id = a.meter_id
"""
FLOOR_HISTORY = """
    WITH booked AS (<account> RETURNING a.meter_id, u.amount)
    INSERT INTO floor_entry (meter_id, kind, amount, day, reference)
    SELECT meter_id, 'settlement', -amount, '2026-03-17', '' FROM booked
""".replace("<account>", FLOOR_ACCOUNT)


def reset(connection: psycopg.Connection[Any], meters: int) -> None:
    connection.execute(RESET.replace("%(meters)s", str(meters)))
    for table in SETTLED:
        connection.execute(f"VACUUM ANALYZE {table}")
    connection.execute("CHECKPOINT")


def floor(connection: psycopg.Connection[Any]) -> None:
    for statement in (FLOOR_USAGE, FLOOR_ACCOUNT):
        connection.execute(statement.format(usage="floor_usage", half=""))


def floor_in_halves(meters: int, booking: str) -> None:
    """Two sessions by range of meters, each one transaction."""

    def settle_half(first: int, last: int) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            for statement in (FLOOR_USAGE, booking):
                half = f"AND r.meter_id BETWEEN {first} AND {last}"
                connection.execute(statement.format(usage="floor_usage_by_month", half=half))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(settle_half, [1, meters // 2 + 1], [meters // 2, meters]))


def settle_once() -> dict[str, float]:
    from readings.settlement import settle

    settle(through=DAY, now=timezone.now())
    return {"memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def totals(connection: psycopg.Connection[Any], table: str) -> Any:
    query = sql.SQL("SELECT count(*), sum(volume), sum(amount) FROM {}").format(sql.Identifier(table))
    return connection.execute(query).fetchone()


class SameWork:
    """Both must have done the same: a benchmark of something else would be worth nothing."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.expected: Any = None

    def check(self, table: str) -> None:
        found = totals(self.connection, table)
        self.expected = self.expected or found
        if found != self.expected:
            raise RuntimeError(f"{table} holds {found}, expected {self.expected}")


def measure(run: Run) -> None:
    with scratch_database("das_bench_settlement") as connection:
        make_room(since=SINCE)
        connection.execute(FILL.read_text().replace(":meters", str(run.size)))
        connection.execute("VACUUM ANALYZE")
        same = SameWork(connection)

        def contender(name: str, work: Callable[[], Any], table: str, role: Role = Role.FLOOR) -> Contender:
            before = partial(reset, connection, run.size)
            return Contender(name=name, role=role, before=before, work=work, check=lambda: same.check(table))

        run.compare(
            "One day settled",
            [
                contender("bare SQL", partial(floor, connection), "floor_usage"),
                contender(TWO, partial(floor_in_halves, run.size, FLOOR_ACCOUNT), "floor_usage_by_month"),
                contender(HISTORY, partial(floor_in_halves, run.size, FLOOR_HISTORY), "floor_usage_by_month"),
                contender("settle", settle_once, "readings_dailyusage", Role.PROJECT),
            ],
            goals=[Goal(of="settle", against=name, at_most=1.5) for name in ("bare SQL", TWO, HISTORY)],
        )


SECTION = Section(
    letter="C",
    name="settlement",
    title="Daily settlement",
    counted="meters",
    full=1_000_000,
    quick=50_000,
    measure=measure,
)
