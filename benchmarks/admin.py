"""The pages of the staff and of the analysts at full size, for whoever sees all, most, some, few or none of the meters.

Every list with each filter, order and search, a new and an old row of each table, home, reconciliation, the API's first
and deep pages (benchmarks/admin_pages.py); ten readings per meter unless --readings says otherwise.
"""

import statistics
import time
from functools import partial
from typing import Any

from django.utils import translation

from benchmarks import admin_fill
from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Sample, Section

PEOPLE = {
    "chief": "a superuser",
    "huge": "staff of the company with most meters",
    "county": "staff of a company with one of 200 meters",
    "town": "staff of a company with one of 1,000 meters",
    "small": "staff of a company with one of 5,000 meters",
    "new": "staff of a company without meters",
}
PAGE_SECONDS = 1.0
SLOWEST = 25


def measure(run: Run) -> None:
    readings = run.readings or run.size * 10
    with scratch_database("das_bench_admin") as connection:
        admin_fill.fill(connection, meters=run.size, readings=readings, say=run.say)
        seconds: dict[str, dict[str, list[float]]] = {name: {} for name in PEOPLE}
        contenders = [
            Contender(name=name, role=Role.PROJECT, work=partial(opened_by, name, seconds[name])) for name in PEOPLE
        ]
        run.compare(
            f"The slowest page at {run.size:,} meters and {readings:,} readings",
            contenders,
            goals=[Goal(of=name, at_most=PAGE_SECONDS) for name in PEOPLE],
        )
    for name, told in PEOPLE.items():
        medians = {page: statistics.median(times) for page, times in seconds[name].items()}
        slowest = sorted(medians, key=medians.__getitem__, reverse=True)[:SLOWEST]
        run.observe(f"{name}, {told}: medians", {page: f"{medians[page] * 1000:.0f} ms" for page in slowest})


def opened_by(name: str, seconds: dict[str, list[float]]) -> Sample:
    """Open each page once; the figure is the slowest page's."""
    from django.contrib.auth.models import User
    from django.test import Client

    from analysis.api import JsonThrottle
    from benchmarks.admin_pages import pages_of

    # A person turns pages slower than this.
    JsonThrottle.rate = "1000000/min"
    user = User.objects.get(username=name)
    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(user)
    client.cookies["django_language"] = "en"
    with translation.override("en"):
        round_seconds = {page: timed(client, url) for page, url in pages_of(user)}
    for page, taken in round_seconds.items():
        seconds.setdefault(page, []).append(taken)
    return Sample(
        max(round_seconds.values()),
        {
            "pages": len(round_seconds),
            "over 1 s": sum(taken > PAGE_SECONDS for taken in round_seconds.values()),
            "median ms": statistics.median(round_seconds.values()) * 1000,
        },
    )


def timed(client: Any, url: str) -> float:
    """Seconds until the answer. A list that gave up at the patience of pages (staff/patience.py) took that long."""
    begin = time.perf_counter()
    response = client.get(url)
    taken = time.perf_counter() - begin
    # A search for one meter leads to its page; a list that gave up leads to itself without what was asked.
    if response.status_code not in (200, 302):
        raise RuntimeError(f"{url} was answered with {response.status_code}")
    return taken


SECTION = Section(
    letter="J",
    name="admin",
    title="Pages of the staff and of the analysts",
    counted="meters",
    full=1_000_000,
    quick=20_000,
    measure=measure,
)
