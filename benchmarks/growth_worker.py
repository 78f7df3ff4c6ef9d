"""A platform of some size that works when it is told: python -m benchmarks.growth_worker METERS

Reads words from standard input and answers each with a line of JSON: settle, fleet, intake (seconds). It has a database
of its own, so several sizes can be measured in turns.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from django.utils import timezone

from benchmarks import backlog
from benchmarks.databases import scratch_database
from benchmarks.settlement import reset, settle_once

MESSAGES = 300
# Before the day that is settled.
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


class Worker:
    def __init__(self, connection: psycopg.Connection[Any], meters: int) -> None:
        self.connection, self.meters = connection, meters
        backlog.make_room(since=FIRST)
        backlog.fill(connection, meters=meters, cis_url="http://127.0.0.1:9")
        connection.execute("UPDATE meters_meterstate SET read_at = '2026-03-17 08:00+08', index = meter_id % 300 + 1")
        connection.execute("VACUUM ANALYZE")

    def settle(self) -> float:
        reset(self.connection, self.meters)
        return timed(settle_once)

    def fleet(self) -> float:
        """1013 for all of them, to its last byte."""
        from protocol.models import Company, Manufacturer
        from readings.fleet import stream_fleet_readings

        def read() -> None:
            pieces = stream_fleet_readings(
                company=Company.objects.get(code=backlog.COMPANY),
                manufacturer=Manufacturer.objects.get(factor_no=backlog.FACTOR),
                serial_no="1",
                meter_no=None,
                through=None,
            )
            if sum(map(len, pieces)) < 100 * self.meters:
                raise RuntimeError("1013 answers less than the fleet")

        return timed(read)

    def intake(self) -> float:
        """Seconds of one 2001 through all of the platform but the web server; MESSAGES meters chosen at random."""
        from django.test import Client

        client = Client(HTTP_HOST="127.0.0.1")
        chosen = [random.randint(1, self.meters) for _ in range(MESSAGES)]
        return timed(partial(reports, client, chosen)) / MESSAGES


def reports(client: Any, meters: list[int]) -> None:
    for meter in meters:
        report(client, meter)


def report(client: Any, meter: int) -> None:
    from protocol.signature import signed_headers

    now = timezone.localtime(timezone.now()) - timedelta(seconds=random.randint(0, 500))
    body = {
        **backlog.body(meter, 1_000_000 + random.randint(0, 1000)),
        "serialNo": f"{random.getrandbits(128):032x}",
        "readDate": now.strftime("%Y%m%d"),
        "readTime": now.strftime("%H%M%S"),
        "semaphore": "80%",
        "sdateTime": now.strftime("%Y-%m-%d"),
    }
    signed = signed_headers(app_code=backlog.HEADEND, app_secret=backlog.SECRET, now=timezone.now())
    answer = client.post(
        "/api/collect/meter/2001",
        data=json.dumps(body),
        content_type=signed.pop("Content-Type"),
        headers=signed,
    )
    if answer.json().get("echoCode") != "0000":
        raise RuntimeError(f"2001 was answered {answer.content!r}")


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    meters = int(sys.argv[1])
    answers, sys.stdout = sys.stdout, sys.stderr
    with scratch_database("das_bench_growth") as connection:
        worker = Worker(connection, meters)
        for word in map(str.strip, sys.stdin):
            result = True if word == "ready" else getattr(worker, word)()
            print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
