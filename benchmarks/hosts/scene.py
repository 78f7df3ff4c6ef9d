"""The scene of the scenarios: a platform with meters over several hosts, and a slow CIS that remembers everything."""

import os
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import psycopg

from benchmarks import backlog
from benchmarks.databases import scratch_database
from benchmarks.hosts import cluster
from benchmarks.hosts.network import Host

DELAY_SECONDS = 0.2
METERS = 2_000


@dataclass
class Scene:
    """All that the scenarios share."""

    made: cluster.Cluster
    hosts: dict[str, Host]
    connection: psycopg.Connection[Any]

    @property
    def cis_url(self) -> str:
        return f"http://{self.hosts['cis'].address}:{cluster.CIS_PORT}"

    def ask_cis(self, path: str, *, post: bool = False) -> Any:
        request = urllib.request.Request(self.cis_url + path, method="POST" if post else "GET")  # noqa: S310  (ours)
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  (ours)
            return orjson.loads(response.read())

    def pending(self) -> int:
        row = self.connection.execute(
            "SELECT count(*) FROM protocol_outboundmessage WHERE state = 'pending'"
        ).fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def senders(self, names: Sequence[str], **environment: str) -> Iterator[None]:
        """One sender on each of these hosts, ready when the block begins."""
        with ExitStack() as stack:
            for name in names:
                self.made.log(f"sender-{name}").unlink(missing_ok=True)
                command = cluster.sender(self.hosts[name])
                stack.enter_context(self.made.running(f"sender-{name}", command, **environment))
            for name in names:
                log = self.made.log(f"sender-{name}")
                self.made.wait_until(partial(cluster.sender_is_ready, log), seconds=60, what=f"sender {name}")
            yield

    def forget(self) -> None:
        """Empty the outbox and what the CIS remembers."""
        for table in ("protocol_outboundattempt", "protocol_outboundmessage", "protocol_outboundlane"):
            self.connection.execute(f"DELETE FROM {table}")  # noqa: S608  (our own names)
            self.connection.execute(f"VACUUM ANALYZE {table}")
        self.ask_cis("/forget", post=True)


@contextmanager
def scene(made: cluster.Cluster, hosts: dict[str, Host], url: str) -> Iterator[Scene]:
    """A migrated database with meters, a CIS and a head-end; the CIS and beat run."""
    os.environ["DATABASE_URL"] = url
    with scratch_database("das_bench_scaleout") as connection:
        made.environment |= cluster.environment_of(hosts, os.environ["DATABASE_URL"])
        stage = Scene(made, hosts, connection)
        backlog.fill(connection, meters=METERS, cis_url=stage.cis_url)
        with (
            made.running("cis", cluster.slow_cis(hosts["cis"], delay_seconds=DELAY_SECONDS)),
            made.running("beat", cluster.beat(hosts["control"], made.logs)),
        ):
            made.wait_until(partial(answers, stage), seconds=30, what="the slow CIS")
            yield stage


def answers(stage: Scene) -> bool:
    try:
        return stage.ask_cis("/count") == 0
    except OSError:
        return False


def out_of_order(arrivals: Sequence[Sequence[Any]]) -> list[str]:
    """Meters whose numbers did not arrive counting up; a message that comes again is not counted again."""
    numbers: dict[str, list[float]] = defaultdict(list)
    seen = set()
    for serial, meter, number, *_ in arrivals:
        if serial not in seen:
            seen.add(serial)
            numbers[meter].append(number)
    return [meter for meter, told in numbers.items() if told != sorted(told)]
