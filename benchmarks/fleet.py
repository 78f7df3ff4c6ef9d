"""1013 for a whole fleet: real HTTP from a served platform, beside psql writing the same rows as JSON.

The answer is read to its end and thrown away. Memory is that of the server's processes above what they held before the
first question.
"""

import http.client
import json
import os
import uuid
from contextlib import ExitStack

import psutil
from django.utils import timezone

from benchmarks import backlog
from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Sample, Section
from benchmarks.programs import PeakMemory, installed, resident_megabytes, run_program
from benchmarks.servers import served

FLOOR, OURS = "psql COPY of JSON", "1013"
ABOVE_IDLE = "memory MB above idle"
PIECE = bytearray(1 << 20)
QUERY = """
    SELECT row_to_json(x) FROM (
        SELECT m.user_no AS "userArchivesNum", m.device_id AS "deviceId", m.meter_no AS "gasMeterNo",
            s.index::text AS "readNum", a.balance::text AS "meterBalance", s.read_at::text AS "readDate",
            s.valve AS "valveState", a.settled_volume::text AS "sumGas", a.settled_amount::text AS "sumMoney"
        FROM meters_meter m JOIN meters_meterstate s ON s.meter_id = m.id JOIN meters_account a ON a.meter_id = m.id
        WHERE m.company_id = 1 AND m.manufacturer_id = 1 AND m.status = 'active' AND s.read_at IS NOT NULL) x
"""


def copied() -> Sample:
    statement = f"COPY ({' '.join(QUERY.split())}) TO STDOUT"
    return run_program(["psql", "--no-psqlrc", "--quiet", os.environ["DATABASE_URL"], "--command", statement])


class Fleet:
    """A CIS that asks for all meters at once."""

    def __init__(self, *, port: int, meters: int) -> None:
        self.port, self.meters = port, meters
        self.tail = b""

    def processes(self) -> list[int]:
        """Those of the server, which this process has started."""
        family = psutil.Process().children(recursive=True)
        return [one.pid for one in family if "granian" in " ".join(one.cmdline())]

    def ask(self, *, meter_no: str = "") -> int:
        """The size of the answer; for all meters, or one."""
        from protocol.paths import message_path
        from protocol.signature import signed_headers

        signed = signed_headers(app_code=backlog.CIS, app_secret=backlog.SECRET, now=timezone.now())
        body = {"serialNo": uuid.uuid4().hex, "companyCode": backlog.COMPANY, "factorNo": backlog.FACTOR}
        body |= {"meterNo": meter_no, "sdateTime": "2026-03-18"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("POST", message_path("1013"), json.dumps(body), signed)
        response = connection.getresponse()
        size = 0
        while got := response.readinto(PIECE):
            size += got
            self.tail = (self.tail + bytes(PIECE[max(got - 200, 0) : got]))[-200:]
        connection.close()
        return size

    def check(self) -> None:
        if f'"total":"{self.meters}"'.encode() not in self.tail:
            raise RuntimeError(f"1013 ended with {self.tail!r}")


def asked(fleet: Fleet, idle: dict[int, float]) -> Sample:
    begin = timezone.now()
    with ExitStack() as stack:
        peaks = {pid: stack.enter_context(PeakMemory(pid)) for pid in idle}
        size = fleet.ask()
    above = sum(max(peaks[pid].megabytes - before, 0.0) for pid, before in idle.items())
    return Sample((timezone.now() - begin).total_seconds(), {ABOVE_IDLE: above, "answer MB": size / 1e6})


def measure(run: Run) -> None:
    granian = ("--interface", "wsgi", "config.wsgi:application", "--workers", "1", "--blocking-threads", "2")
    with scratch_database("das_bench_fleet") as connection:
        backlog.fill(connection, meters=run.size, cis_url="http://127.0.0.1:9")
        connection.execute("UPDATE meters_meterstate SET read_at = '2026-03-17 08:00+08', index = meter_id % 300 + 0.5")
        connection.execute("VACUUM ANALYZE meters_meterstate")
        with served("granian", *granian, "--log-level", "warning") as port:
            fleet = Fleet(port=port, meters=run.size)
            # What it loads with the first message is no part of an answer.
            fleet.ask(meter_no=backlog.meter_no(1))
            idle = {pid: resident_megabytes(pid) for pid in fleet.processes()}
            contenders = [
                Contender(name=OURS, role=Role.PROJECT, work=lambda: asked(fleet, idle), check=fleet.check),
            ]
            if installed("psql"):
                contenders.insert(0, Contender(name=FLOOR, role=Role.FLOOR, work=copied))
            else:
                run.leave_out("the floor, psql COPY", why="psql is not installed")
            run.compare(
                "The latest reading of every meter",
                contenders,
                goals=[Goal(of=OURS, against=FLOOR, at_most=2), Goal(of=OURS, figure=ABOVE_IDLE, at_most=60)],
            )


SECTION = Section(
    letter="D",
    name="fleet",
    title="1013 for a fleet",
    counted="meters",
    full=1_000_000,
    quick=100_000,
    measure=measure,
)
