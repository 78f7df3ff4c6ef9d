"""Settling one day of a fleet against bare SQL on the same data, in the same run.

    python -m benchmarks.settlement [--meters 1000000] [--rounds 3] [--output FILE]

The floor is what any settlement must do: one INSERT ... SELECT of the day's usage, split over three tiers, in key
order, and one UPDATE of a narrow account row per meter. The project settles the same day with `settle`. Both run
`--rounds` times, interleaved, each from the same state. Uses a database of its own on the server of DATABASE_URL.
"""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.databases import scratch_database

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


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def reset(connection: psycopg.Connection[Any], meters: int) -> None:
    connection.execute(RESET.replace("%(meters)s", str(meters)))
    for table in SETTLED:
        connection.execute(f"VACUUM ANALYZE {table}")
    connection.execute("CHECKPOINT")


def measure(connection: psycopg.Connection[Any], *, meters: int, rounds: int) -> dict[str, Any]:
    floors, ours = [], []
    for _ in range(rounds):
        reset(connection, meters)
        floors.append(
            (timed(lambda: connection.execute(FLOOR_USAGE)), timed(lambda: connection.execute(FLOOR_ACCOUNT)))
        )
        expected = totals(connection, "floor_usage")
        reset(connection, meters)
        ours.append(timed(settle_once))
        # Both must have done the same work: a benchmark of something else would be worth nothing.
        if totals(connection, "readings_dailyusage") != expected:
            raise SystemExit(f"settled {totals(connection, 'readings_dailyusage')}, the floor made {expected}")
    floor = statistics.median(sum(pair) for pair in floors)
    return {
        "meters": meters,
        "floor_usage_seconds": [round(pair[0], 2) for pair in floors],
        "floor_account_seconds": [round(pair[1], 2) for pair in floors],
        "settle_seconds": [round(seconds, 2) for seconds in ours],
        "ratio": round(statistics.median(ours) / floor, 2),
        "goal": 1.5,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def settle_once() -> None:
    from django.utils import timezone

    from readings.settlement import settle

    settle(through=DAY, now=timezone.now())


def totals(connection: psycopg.Connection[Any], table: str) -> Any:
    query = sql.SQL("SELECT count(*), sum(volume), sum(amount) FROM {}").format(sql.Identifier(table))
    return connection.execute(query).fetchone()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--meters", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "settlement.json")
    options = parser.parse_args()
    os.environ["DEBUG"] = "false"
    with scratch_database("das_bench_settlement") as connection:
        connection.execute(FILL.read_text().replace(":meters", str(options.meters)))
        connection.execute("VACUUM ANALYZE")
        result = measure(connection, meters=options.meters, rounds=options.rounds)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
