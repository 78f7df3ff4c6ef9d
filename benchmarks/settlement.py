"""Settling one day of a fleet against bare SQL on the same data.

The floor is what any settlement must do: one INSERT ... SELECT of the day's usage, split over three tiers, in key
order, and one UPDATE of a narrow account row per meter. The project settles the same day with `settle`.
"""

import resource
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone
from psycopg import sql

from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Section

DAY = date(2026, 3, 17)
HERE = Path(__file__).resolve().parent

FILL = HERE / "settlement_fill.sql"
RESET = """
    TRUNCATE readings_dailyusage, meters_accountentry;
    UPDATE meters_account SET unsettled_from = '2026-03-17', settled_through = '2026-03-16',
        settled_index = (meter_id % 300), cycle_start = '2026-01-01', cycle_volume = meter_id % 300,
        settled_volume = meter_id % 300, settled_amount = 0, in_arrears = false;
    TRUNCATE floor_usage; DROP TABLE IF EXISTS floor_account;
    CREATE TABLE floor_account (meter_id bigint PRIMARY KEY, settled_index numeric(14,4), cycle_volume numeric(14,4),
        settled_amount numeric(16,4), settled_through date) WITH (fillfactor = 50);
    INSERT INTO floor_account SELECT g, g % 300, g % 300, 0, '2026-03-16' FROM generate_series(1, %(meters)s) g;
"""
SETTLED = ("readings_dailyusage", "meters_accountentry", "meters_account", "floor_usage", "floor_account")
FLOOR_USAGE = """
    INSERT INTO floor_usage
    SELECT u.meter_id, date '2026-03-17', t.position, part.volume, t.unit_price, round(part.volume * t.unit_price, 4)
    FROM (
        SELECT r.meter_id, max(r.index) - min(a.settled_index) AS volume, min(a.cycle_volume) AS used
        FROM readings_reading r JOIN floor_account a ON a.meter_id = r.meter_id
        WHERE r.quality = 'valid' AND r.read_at >= timestamptz '2026-03-17 00:00+08'
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
    FROM (SELECT meter_id, sum(volume) AS volume, sum(amount) AS amount FROM floor_usage GROUP BY meter_id) u
    WHERE u.meter_id = a.meter_id
"""


def reset(connection: psycopg.Connection[Any], meters: int) -> None:
    connection.execute(RESET.replace("%(meters)s", str(meters)))
    for table in SETTLED:
        connection.execute(f"VACUUM ANALYZE {table}")
    connection.execute("CHECKPOINT")


def floor(connection: psycopg.Connection[Any]) -> None:
    connection.execute(FLOOR_USAGE)
    connection.execute(FLOOR_ACCOUNT)


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
        connection.execute(FILL.read_text().replace(":meters", str(run.size)))
        connection.execute("VACUUM ANALYZE")
        same = SameWork(connection)
        bare = Contender(
            name="bare SQL",
            role=Role.FLOOR,
            before=lambda: reset(connection, run.size),
            work=lambda: floor(connection),
            check=lambda: same.check("floor_usage"),
        )
        ours = Contender(
            name="settle",
            role=Role.PROJECT,
            before=lambda: reset(connection, run.size),
            work=settle_once,
            check=lambda: same.check("readings_dailyusage"),
        )
        run.compare("One day settled", [bare, ours], goals=[Goal(of="settle", against="bare SQL", at_most=1.5)])


SECTION = Section(
    letter="C",
    name="settlement",
    title="Daily settlement",
    counted="meters",
    full=1_000_000,
    quick=50_000,
    measure=measure,
)
