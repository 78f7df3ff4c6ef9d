"""Many readings from a file: `import_readings` beside COPY into a temporary table with INSERT ... SELECT from there.

Floor and peer write the same tables in one transaction, and do no more than that: no rules, no verdicts, no locks in
order, and after a kill all is to be done again. The project takes batches that survive one.
"""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.utils import timezone

from benchmarks import backlog
from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Section

HERE = Path(__file__).resolve().parent
TURNS = 10
UNNESTED = 1_000
COPIED, ARRAYS, OURS = "COPY, INSERT ... SELECT", f"unnest, {UNNESTED:,} at a time", "import_readings"
PER_SECOND = "readings/s"
INCOMING = """
    CREATE TEMP TABLE incoming (company text, manufacturer text, meter_no text, user_no text, device_id text,
        read_at timestamptz, index numeric, quality text, source text, received_at timestamptz, valve text,
        battery_voltage numeric, signal_percent numeric, temperature numeric, standard_total numeric,
        working_total numeric, standard_flow numeric, working_flow numeric, pressure numeric, reported_price numeric,
        reported_balance numeric, reported_volume numeric, reported_amount numeric) ON COMMIT DROP
"""
RESET = """
    TRUNCATE readings_reading, protocol_outboundmessage, protocol_outboundlane CASCADE;
    UPDATE meters_meterstate SET index = 1, read_at = now() - interval '50 days',
        reported_at = now() - interval '50 days';
    UPDATE meters_account SET unsettled_from = current_date - 20;
    INSERT INTO readings_reading (meter_id, read_at, index, quality, source, received_at, valve, decision)
        SELECT id, now() - interval '50 days', 1, 'valid', 'report', now(), 'open', '' FROM meters_meter ORDER BY id;
"""
CHANGED = ("readings_reading", "meters_meterstate", "meters_account")


def script(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


class Bench:
    """One file of readings, and a platform that is as it was before each import of it."""

    def __init__(self, run: Run, connection: psycopg.Connection[Any], folder: Path) -> None:
        self.connection = connection
        self.meters = max(run.size // TURNS, 1)
        self.readings = self.meters * TURNS
        self.path = folder / "readings.csv"
        backlog.make_room(since=timezone.now() - timedelta(days=60))
        backlog.fill(connection, meters=self.meters, cis_url="http://127.0.0.1:9")
        statement = script("bulk_file.sql").replace(":meters", str(self.meters)).replace(":turns", str(TURNS))
        with self.path.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            file.writelines(bytes(piece) for piece in copy)

    def before(self) -> None:
        self.connection.execute(RESET)
        for table in CHANGED:
            self.connection.execute(f"VACUUM ANALYZE {table}")
        self.connection.execute("CHECKPOINT")

    def check(self, *, told: bool) -> None:
        """All of it is there: readings, latest states, what has to be settled again, and messages."""
        row = self.connection.execute("""
            SELECT (SELECT count(*) FROM readings_reading), (SELECT count(*) FROM protocol_outboundmessage),
                (SELECT count(*) FROM meters_meterstate WHERE reported_at > now() - interval '39 days'),
                (SELECT count(*) FROM meters_account WHERE unsettled_from < current_date - 30)
        """).fetchone()
        expected = (self.readings + self.meters, self.readings if told else 0, self.meters, self.meters)
        if row != expected:
            raise RuntimeError(f"found {row}, expected {expected}")

    def per_second(self, work: Callable[[], object]) -> Callable[[], float]:
        def timed() -> float:
            begin = timezone.now()
            work()
            return self.readings / (timezone.now() - begin).total_seconds()

        return timed


def copied(bench: Bench, *, told: bool) -> None:
    with bench.connection.transaction(), bench.connection.cursor() as cursor:
        cursor.execute(INCOMING)
        with cursor.copy("COPY incoming FROM STDIN (FORMAT csv, HEADER)") as copy, bench.path.open("rb") as file:
            while piece := file.read(1 << 16):
                copy.write(piece)
        cursor.execute("ANALYZE incoming")
        cursor.execute(script("bulk_floor.sql"))
        if told:
            cursor.execute(script("bulk_owed.sql"))


def chunks(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while chunk := list(islice(rows, UNNESTED)):
        yield chunk


def unnested(bench: Bench) -> None:
    """As one would do it without COPY: each chunk as arrays, in a transaction of its own."""
    with bench.path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for chunk in chunks(rows):
            with bench.connection.transaction(), bench.connection.cursor() as cursor:
                cursor.execute(INCOMING)
                cursor.execute(*arrays(chunk))
                cursor.execute("ANALYZE incoming")
                cursor.execute(script("bulk_floor.sql"))


def arrays(chunk: Sequence[Sequence[str]]) -> tuple[Any, list[Any]]:
    kinds = ["text"] * 5 + ["timestamptz", "numeric", "text", "text", "timestamptz", "text"] + ["numeric"] * 12
    columns = [[cell or None for cell in column] for column in zip(*chunk, strict=True)]
    unnest = ", ".join(f"%s::{kind}[]" for kind in kinds)
    return f"INSERT INTO incoming SELECT * FROM unnest({unnest})", columns  # noqa: S608  (types of our own)


def imported(bench: Bench, *, told: bool) -> None:
    options = ["--tell-cis" if told else "--no-tell-cis", "--no-progress"]
    call_command("import_readings", str(bench.path), *options, stdout=io.StringIO())


def measure(run: Run) -> None:
    with scratch_database("das_bench_bulk") as connection, tempfile.TemporaryDirectory() as folder:
        bench = Bench(run, connection, Path(folder))
        for told, title in ((False, "Readings from a file"), (True, "The same, and a message to the CIS of each")):
            works = {COPIED: partial(copied, bench, told=told), OURS: partial(imported, bench, told=told)}
            if not told:
                works[ARRAYS] = partial(unnested, bench)
            run.compare(
                title,
                [
                    Contender(
                        name=name,
                        role={COPIED: Role.FLOOR, ARRAYS: Role.PEER, OURS: Role.PROJECT}[name],
                        before=bench.before,
                        work=bench.per_second(work),
                        check=partial(bench.check, told=told),
                    )
                    for name, work in works.items()
                ],
                goals=[Goal(of=OURS, against=COPIED, at_least=0.5)],
                unit=PER_SECOND,
            )


SECTION = Section(
    letter="B",
    name="bulk",
    title="Many readings from a file",
    counted="readings",
    full=200_000,
    quick=20_000,
    measure=measure,
)
