"""A platform of some size that works when it is told: python -m benchmarks.growth_worker METERS READINGS

Reads words from standard input and answers each with a line of JSON: settle, fleet, intake (seconds), pages (seconds by
page). It has a database of its own, so several sizes can be measured in turns.
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
LATEST = datetime(2026, 3, 16, 8, tzinfo=UTC)


class Worker:
    def __init__(self, connection: psycopg.Connection[Any], meters: int, readings: int) -> None:
        self.connection, self.meters = connection, meters
        backlog.fill(connection, meters=meters, cis_url="http://127.0.0.1:9")
        connection.execute("UPDATE meters_meterstate SET read_at = '2026-03-17 08:00+08', index = meter_id % 300 + 1")
        self.fill_readings(readings)
        connection.execute("VACUUM ANALYZE")

    def fill_readings(self, readings: int) -> None:
        """Further readings of the weeks before, spread over all meters."""
        turns = readings // self.meters
        first = LATEST - timedelta(hours=6 * (turns + 1))
        backlog.make_room(since=first)
        backlog.fill_readings(self.connection, meters=self.meters, turns=turns, first=first)

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

    def pages(self) -> dict[str, float]:
        """Seconds of each list in the admin, as a superuser opens it, and of a search for one meter."""
        from django.contrib import admin
        from django.contrib.auth.models import User
        from django.test import Client
        from django.urls import reverse

        client = Client(HTTP_HOST="127.0.0.1")
        user = User.objects.filter(username="bench").first() or User.objects.create_superuser("bench")
        client.force_login(user)
        seconds = {}
        for model, model_admin in admin.site._registry.items():
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            seconds[model._meta.label] = timed(partial(opened, client, url))
            if model_admin.search_fields:
                found = f"{url}?q={backlog.meter_no(self.meters // 2)}"
                seconds[f"{model._meta.label}, search"] = timed(partial(opened, client, found))
        return seconds


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


def opened(client: Any, url: str) -> None:
    response = client.get(url)
    if response.status_code != 200:
        raise RuntimeError(f"{url} was answered with {response.status_code}")


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    meters, readings = map(int, sys.argv[1:])
    answers, sys.stdout = sys.stdout, sys.stderr
    with scratch_database("das_bench_growth") as connection:
        worker = Worker(connection, meters, readings)
        for word in map(str.strip, sys.stdin):
            result = True if word == "ready" else getattr(worker, word)()
            print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
