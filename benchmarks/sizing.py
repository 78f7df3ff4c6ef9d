"""What a fleet takes: bytes per row with its indexes, WAL per message and per settled meter, memory per process.

docs/operations.md reckons with these figures.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
from django.utils import timezone

from benchmarks import backlog
from benchmarks.databases import scratch_database
from benchmarks.frame import Run, Section
from benchmarks.growth_worker import reports
from benchmarks.programs import resident_megabytes
from benchmarks.settlement import reset, settle_once

TURNS = 40
MESSAGES = 1_000
SIZE = """
    SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%s)
    WHERE isleaf
"""


def measure(run: Run) -> None:
    with scratch_database("das_bench_sizing") as connection:
        first = timezone.now() - timedelta(days=TURNS // 4 + 1)
        backlog.make_room(since=first)
        backlog.fill(connection, meters=run.size, cis_url="http://127.0.0.1:9")
        backlog.fill_readings(connection, meters=run.size, turns=TURNS, first=first)
        connection.execute("VACUUM ANALYZE")
        run.observe("Bytes per row, with all indexes", {**of_meters(connection), **of_readings(connection)})
        run.observe("Settling", settling(connection, run.size))
        run.observe("One 2001 with its message to the CIS", intake(connection, run.size))
        run.observe("Memory", {"this process, Django loaded, MB": round(resident_megabytes(os.getpid()))})


def of_meters(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """A meter is a row in each of four tables."""
    tables = ("meters_meter", "meters_meterstate", "meters_account", "meters_meterprice")
    return {"a meter (four tables)": sum(per_row(connection, table) for table in tables)}


def of_readings(connection: psycopg.Connection[Any]) -> dict[str, int]:
    return {"a reading": per_row(connection, "readings_reading")}


def per_row(connection: psycopg.Connection[Any], table: str) -> int:
    rows = number(connection, f"SELECT count(*) FROM {table}")  # noqa: S608  (our own names)
    return round(size(connection, table) / rows) if rows else 0


def size(connection: psycopg.Connection[Any], table: str) -> int:
    """A table with its indexes and TOAST, and all its partitions."""
    row = connection.execute(SIZE, [table]).fetchone()
    if row is None or row[0] is None:
        return number(connection, f"SELECT pg_total_relation_size('{table}')")
    return int(row[0])


def settling(connection: psycopg.Connection[Any], meters: int) -> dict[str, int]:
    reset(connection, meters)
    wal = wal_of(connection, settle_once)
    return {"WAL per meter and day": wal // meters, "a row of daily usage": per_row(connection, "readings_dailyusage")}


def intake(connection: psycopg.Connection[Any], meters: int) -> dict[str, int]:
    """Bytes of MESSAGES messages through all of the platform but the web server; nothing is sent meanwhile."""
    from django.test import Client

    ledger = ("protocol_inboundserial", "protocol_inboundmessage")
    client = Client(HTTP_HOST="127.0.0.1")
    connection.execute("CHECKPOINT")
    chosen = [number % meters + 1 for number in range(0, MESSAGES * 7, 7)]
    wal = wal_of(connection, lambda: reports(client, chosen))
    return {
        "WAL per message, right after a checkpoint": wal // MESSAGES,
        "a row of the ledger": sum(per_row(connection, table) for table in ledger),
        "of which its serial": per_row(connection, ledger[0]),
        "a row of the outbox, with its attempts still to come": per_row(connection, "protocol_outboundmessage"),
    }


def wal_of(connection: psycopg.Connection[Any], work: Callable[[], object]) -> int:
    before = number(connection, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    work()
    return number(connection, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn") - before


def number(connection: psycopg.Connection[Any], query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


SECTION = Section(
    letter="I",
    name="sizing",
    title="Sizing: what a fleet takes",
    counted="meters",
    full=100_000,
    quick=10_000,
    measure=measure,
)
