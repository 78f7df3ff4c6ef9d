"""2001 over HTTP, durable: serial, reading, the meter's latest state and the message to the CIS, then the answer.

The floor is pgbench with one prepared statement, without HTTP. The peers are FastAPI and asyncpg in two processes: they
check the token and write the same four rows, but judge nothing. The project is served as the README says, and does all
that a 2001 asks for. wrk sends over 32 connections; every reading is new.
"""

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone

from benchmarks.backlog import make_room
from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Sample, Section
from benchmarks.programs import ROOT, installed
from benchmarks.servers import served

HERE = Path(__file__).resolve().parent
# The peer of the comparison knows the head-end's secret too.
APP_CODE, SECRET = "headend", "headend-secret"
WARM_UP_SECONDS = 5
CONNECTIONS, PROCESSES, CLIENTS = 32, 2, 8
PER_SECOND = "messages/s"
FLOOR, PEER, PEER_IN_ONE, PROJECT = "pgbench", "FastAPI, asyncpg", "FastAPI, asyncpg, one statement", "project"
_runs = itertools.count(1)


def seconds_of(run: Run) -> int:
    return 3 if run.quick else 10


def pgbench(run: Run) -> Sample:
    body = "'" + "x" * 600 + "'"
    command = ["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-T", str(seconds_of(run))]
    variables = {"meters": str(run.size), "body": body, "answer": "'" + "x" * 300 + "'"}
    # pgbench's own variables hold numbers only, so the texts are written into the script.
    script = (HERE / "intake_floor.sql").read_text()
    for name in ("body", "answer"):
        script = re.sub(rf":{name}\b", variables[name], script)
    command += ["-D", f"meters={run.size}", "-f", "-", os.environ["DATABASE_URL"]]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)  # noqa: S603
    tps = re.search(r"tps = ([0-9.]+)", done.stdout)
    if tps is None:
        raise RuntimeError(done.stdout + done.stderr)
    return Sample(float(tps[1]))


class Load:
    """wrk against one server; afterwards every answer that wrk counted must be a row."""

    def __init__(self, run: Run, connection: psycopg.Connection[Any], *, port: int, path: str, table: str) -> None:
        self.run, self.connection, self.table = run, connection, table
        self.url, self.path = f"http://127.0.0.1:{port}", path
        self.rows, self.counted = 0, 0

    def count(self) -> int:
        row = self.connection.execute(f"SELECT count(*) FROM {self.table}").fetchone()  # noqa: S608  (our own names)
        return int(row[0]) if row else 0

    def before(self) -> None:
        self.connection.execute("CHECKPOINT")
        self.rows = self.count()

    def work(self) -> Sample:
        return self.send(seconds_of(self.run))

    def send(self, seconds: int) -> Sample:
        from protocol.signature import signed_headers

        signed = signed_headers(app_code=APP_CODE, app_secret=SECRET, now=timezone.now())
        words = [self.path, signed["AccessToken"], signed["Authorization"], str(next(_runs)), str(self.run.size)]
        command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s"]
        command += ["-s", str(HERE / "intake_load.lua")]
        done = subprocess.run(  # noqa: S603
            [*command, self.url, "--", *words], capture_output=True, text=True, check=True, cwd=ROOT
        )
        told = json.loads(done.stdout.strip().splitlines()[-1])
        if told["failed"]:
            raise RuntimeError(f"{self.url}: {told['failed']} requests failed")
        self.counted = told["requests"]
        return Sample(told["requests"] / told["seconds"], {"p50 ms": told["p50_ms"], "p99 ms": told["p99_ms"]})

    def check(self) -> None:
        stored = self.count() - self.rows
        if not self.counted <= stored <= self.counted + 2 * CONNECTIONS:
            raise RuntimeError(f"{self.url}: {self.counted} answers, but {stored} rows in {self.table}")


@contextmanager
def servers() -> Iterator[dict[str, int]]:
    """The port of each contender."""
    workers = str(PROCESSES)
    uvicorn = ("benchmarks.intake_peer:app", "--workers", workers, "--log-level", "warning", "--no-access-log")
    granian = ("--interface", "wsgi", "config.wsgi:application", "--workers", workers, "--blocking-threads", "4")
    with ExitStack() as stack:
        yield {
            PEER: stack.enter_context(served("uvicorn", *uvicorn)),
            PEER_IN_ONE: stack.enter_context(served("uvicorn", *uvicorn, environment={"PEER_STATEMENTS": "1"})),
            PROJECT: stack.enter_context(served("granian", *granian, "--log-level", "warning")),
        }


def fill(connection: psycopg.Connection[Any], *, meters: int) -> None:
    """A company with a CIS that is owed each reading, a head-end, and their meters."""
    from protocol.parties import create_company, create_manufacturer, create_peer

    create_company(code="1", name="bench")
    create_manufacturer(factor_no="1", name="bench")
    create_peer(kind="cis", app_code="cis", app_secret="cis-secret", url="http://127.0.0.1:9", companies=["1"])  # noqa: S106
    create_peer(kind="headend", app_code=APP_CODE, app_secret=SECRET, manufacturers=["1"])
    make_room(since=timezone.now() - timedelta(days=60))
    connection.execute((HERE / "intake_fill.sql").read_text().replace(":meters", str(meters)))
    # Only what is filled: an empty table that has been analysed is taken for one that stays empty.
    connection.execute("VACUUM ANALYZE meters_meter, meters_meterstate, meters_meterprice, meters_account, bare_state")


def measure(run: Run) -> None:
    if not installed("wrk"):
        run.leave_out("2001 over HTTP", why="wrk is not installed")
        return
    with scratch_database("das_bench_intake") as connection:
        fill(connection, meters=run.size)
        with servers() as ports:
            contenders = [contender(run, connection, name=name, port=port) for name, port in ports.items()]
            if installed("pgbench"):
                contenders.insert(0, Contender(name=FLOOR, role=Role.FLOOR, work=lambda: pgbench(run)))
            else:
                run.leave_out(FLOOR, why="pgbench is not installed")
            run.compare("2001 taken", contenders, goals=[Goal(of=PROJECT, against=PEER, at_least=0.6)], unit=PER_SECOND)


def contender(run: Run, connection: psycopg.Connection[Any], *, name: str, port: int) -> Contender:
    ours = name == PROJECT
    path = "/api/collect/meter/2001" if ours else "/2001"
    table = "readings_reading" if ours else "bare_reading"
    load = Load(run, connection, port=port, path=path, table=table)
    # A server accepts connections before its workers have loaded what they serve.
    load.send(WARM_UP_SECONDS)
    role = Role.PROJECT if ours else Role.PEER
    return Contender(name=name, role=role, before=load.before, work=load.work, check=load.check)


SECTION = Section(
    letter="A",
    name="intake",
    title="2001 from a head-end, end to end",
    counted="meters",
    full=20_000,
    quick=2_000,
    measure=measure,
)
