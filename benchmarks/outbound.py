"""Callbacks: 2001 of about 700 bytes to receivers that answer at once, after 50 and after 200 ms; one CIS dead.

The floor is aiohttp alone with 64 connections, without any database. The peer is a call of `requests` per message, as
a task per message would make it, also without a database. The project claims, sends and records everything in
PostgreSQL, as one sender does.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import aiohttp
import psycopg

from benchmarks import backlog
from benchmarks.databases import scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Sample, Section
from benchmarks.servers import free_port, served

CONNECTIONS = 64
LANES = 2_000
RECEIVER = "benchmarks.outbound_receiver"
PER_SECOND = "messages/s"
FLOOR, ON_UVLOOP, PEER, PROJECT = "aiohttp (64)", "aiohttp on uvloop (64)", "requests", "project"
ALONE, BESIDE_DEAD = "project, one CIS", "project, beside a dead CIS"


def bare(url: str, messages: int, *, uvloop: bool) -> Sample:
    body = backlog.text(1, 1).encode()

    async def send_all() -> float:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as session:
            numbers = iter(range(messages))

            async def send() -> None:
                for _ in numbers:
                    async with session.post(url + "/api/collect/meter/2001", data=body) as response:
                        await response.read()

            begin = time.perf_counter()
            await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
            return time.perf_counter() - begin

    return Sample(messages / _run(send_all(), uvloop=uvloop))


def _run(work: Any, *, uvloop: bool) -> float:
    if not uvloop:
        return float(asyncio.run(work))
    from uvloop import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return float(runner.run(work))


def one_by_one(url: str, messages: int) -> Sample:
    import requests

    body = backlog.text(1, 1).encode()
    begin = time.perf_counter()
    for _ in range(messages):
        requests.post(url + "/api/collect/meter/2001", data=body, timeout=30)
    return Sample(messages / (time.perf_counter() - begin))


class Drain:
    """The project's turn: so many messages are owed, then everything due is sent."""

    def __init__(self, connection: psycopg.Connection[Any], *, url: str, messages: int, dead: str = "") -> None:
        self.connection, self.url, self.messages, self.dead = connection, url, messages, dead

    def before(self) -> None:
        from protocol.models import Peer

        self.connection.execute(
            "TRUNCATE protocol_outboundattempt, protocol_outboundmessage, protocol_outboundlane, protocol_peerhealth"
            " CASCADE"
        )
        Peer.objects.filter(app_code=backlog.CIS).update(url=self.url)
        if self.dead:
            backlog.enqueue(messages=self.messages, meters=LANES, to=backlog.dead_cis(self.dead))
        backlog.enqueue(messages=self.messages, meters=LANES)
        self.connection.execute("ANALYZE protocol_outboundmessage, protocol_outboundlane")
        self.connection.execute("CHECKPOINT")

    def work(self) -> Sample:
        from protocol.delivery import deliver_due

        begin = time.perf_counter()
        deliver_due()
        return Sample(self.messages / (time.perf_counter() - begin))

    def check(self) -> None:
        row = self.connection.execute(
            "SELECT count(*) FROM protocol_outboundmessage m JOIN protocol_peer p ON p.id = m.peer_id"
            " WHERE p.app_code = %s AND m.state = 'delivered'",
            [backlog.CIS],
        ).fetchone()
        if row is None or row[0] != self.messages:
            raise RuntimeError(f"{row} of {self.messages} messages delivered")


@contextmanager
def receivers(*delays: int) -> Iterator[dict[int, str]]:
    with ExitStack() as stack:
        ports = {
            delay: stack.enter_context(served("benchmarks.outbound_receiver", "--delay", str(delay)))
            for delay in delays
        }
        yield {delay: f"http://127.0.0.1:{port}" for delay, port in ports.items()}


def measure(run: Run) -> None:
    with scratch_database("das_bench_outbound") as connection, receivers(0, 50, 200) as urls:
        backlog.fill(connection, meters=LANES, cis_url=urls[0])
        _compare_fast(run, connection, urls[0])
        _compare_slow(run, connection, urls)
        _compare_dead(run, connection, urls[0])


def _compare_fast(run: Run, connection: psycopg.Connection[Any], url: str) -> None:
    drain = Drain(connection, url=url, messages=run.size)
    contenders = [
        Contender(name=FLOOR, role=Role.FLOOR, work=lambda: bare(url, run.size, uvloop=False)),
        Contender(name=ON_UVLOOP, role=Role.FLOOR, work=lambda: bare(url, run.size, uvloop=True)),
        Contender(name=PEER, role=Role.PEER, work=lambda: one_by_one(url, run.size // 10)),
        Contender(name=PROJECT, role=Role.PROJECT, before=drain.before, work=drain.work, check=drain.check),
    ]
    goals = [Goal(of=PROJECT, against=FLOOR, at_least=0.5), Goal(of=PROJECT, against=PEER, at_least=5)]
    run.compare("To a CIS that answers at once", contenders, goals=goals, unit=PER_SECOND)


def _compare_slow(run: Run, connection: psycopg.Connection[Any], urls: dict[int, str]) -> None:
    for delay, goal in ((50, None), (200, 1_000)):
        url = urls[delay]
        drain = Drain(connection, url=url, messages=run.size)
        contenders = [
            Contender(name=ON_UVLOOP, role=Role.FLOOR, work=partial(bare, url, run.size // 4, uvloop=True)),
            Contender(name=PROJECT, role=Role.PROJECT, before=drain.before, work=drain.work, check=drain.check),
        ]
        goals = [Goal(of=PROJECT, at_least=goal)] if goal else []
        run.compare(f"To a CIS that needs {delay} ms", contenders, goals=goals, unit=PER_SECOND)


def _compare_dead(run: Run, connection: psycopg.Connection[Any], url: str) -> None:
    alone = Drain(connection, url=url, messages=run.size)
    beside = Drain(connection, url=url, messages=run.size, dead=f"http://127.0.0.1:{free_port()}")
    contenders = [
        Contender(name=ALONE, role=Role.PROJECT, before=alone.before, work=alone.work, check=alone.check),
        Contender(name=BESIDE_DEAD, role=Role.PROJECT, before=beside.before, work=beside.work, check=beside.check),
    ]
    goals = [Goal(of=BESIDE_DEAD, against=ALONE, at_least=0.95)]
    run.compare("Beside a CIS that nobody answers for", contenders, goals=goals, unit=PER_SECOND)


SECTION = Section(
    letter="F",
    name="outbound",
    title="callbacks, claimed, sent and recorded",
    counted="messages",
    full=20_000,
    quick=4_000,
    measure=measure,
)
