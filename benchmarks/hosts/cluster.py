"""The platform spread over hosts: one PostgreSQL and one broker here, everything else in namespaces of its own."""

import os
import secrets
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from django.utils import timezone
from kombu import Connection, Queue

from benchmarks.hosts.forwarder import forwarded
from benchmarks.hosts.network import HERE, Host
from benchmarks.programs import ROOT
from launcher import directories, spawning
from launcher.account import database_account
from launcher.ending import Target, end
from launcher.postgres import PostgresServer
from launcher.watch import Guard
from simulator.client import Account, Platform

BROKER = "amqp://guest:guest@127.0.0.1:5672//"
WEB_PORT = 8000
CIS_PORT = 9000
BROKER_PORT = 5673


def broker_url() -> str:
    """The broker of CELERY_BROKER_URL, else a RabbitMQ with its usual guest on this machine."""
    return os.environ.get("CELERY_BROKER_URL") or BROKER


def why_no_broker() -> str:
    parts = urlsplit(broker_url())
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
        return "CELERY_BROKER_URL must name a broker on 127.0.0.1 with its port; without it RabbitMQ is taken"
    try:
        with Connection(broker_url(), connect_timeout=3) as connection:
            connection.connect()
    except OSError as error:
        return f"no broker answers on 127.0.0.1:{parts.port} ({error}); install RabbitMQ or set CELERY_BROKER_URL"
    return ""


@dataclass
class Cluster:
    """Starts processes on hosts, all with one environment; every one ends with the block that made this."""

    guard: Guard
    logs: Path
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self, name: str, command: list[str], **environment: str) -> Iterator[int]:
        """One process, from here to the end of the block; yields its number."""
        process = spawning.spawn(
            command, log=self.log(name), directory=ROOT, environment={**self.environment, **environment}
        )
        target = Target(process.pid)
        self.guard.watch(target)
        try:
            yield process.pid
        finally:
            end(target)
            process.wait()
            self.guard.release(process.pid)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def wait_until(self, condition: Callable[[], object], *, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                tails = "\n".join(f"{path.name}:\n{spawning.tail(path)}" for path in sorted(self.logs.glob("*.log")))
                raise RuntimeError(f"not within {seconds:.0f} s: {what}\n{tails}")
            time.sleep(0.05)


@contextmanager
def cluster() -> Iterator[tuple[Cluster, str]]:
    """PostgreSQL on the bridge and a way to the broker; yields the cluster and the database server's URL."""
    with ExitStack() as stack:
        guard = stack.enter_context(Guard())
        logs = Path(tempfile.mkdtemp(prefix=directories.PREFIX))
        guard.discard_at_the_end(logs)
        made = Cluster(guard=guard, logs=logs)
        url = stack.enter_context(_database(made))
        stack.enter_context(_broker(made))
        yield made, url


@contextmanager
def _database(made: Cluster) -> Iterator[str]:
    """A server of its own that flushes as in production, and listens on the bridge alone."""
    account = database_account()
    home = directories.scratch(directories.scratch_home(account), directories.PASSABLE)
    made.guard.discard_at_the_end(home)
    server = PostgresServer(
        home=home, account=account, password=secrets.token_urlsafe(16), log=home / "database.log", address=HERE
    )
    server.prepare()
    process = server.spawn()
    target = Target(process.pid, server.signals)
    made.guard.watch(target)
    try:
        made.wait_until(server.ready, seconds=60, what="PostgreSQL on the bridge")
        yield server.url
    finally:
        end(target)
        process.wait()
        made.guard.release(process.pid)


@contextmanager
def _broker(made: Cluster) -> Iterator[None]:
    own = urlsplit(broker_url())
    queue = f"das-bench-{os.getpid()}"
    login, _, _ = own.netloc.rpartition("@")
    netloc = f"{login}@{HERE}:{BROKER_PORT}" if login else f"{HERE}:{BROKER_PORT}"
    made.environment |= {"CELERY_BROKER_URL": own._replace(netloc=netloc).geturl(), "CELERY_QUEUE": queue}
    with forwarded(address=HERE, port=BROKER_PORT, to_port=own.port or 5672):
        try:
            yield
        finally:
            with Connection(broker_url()) as connection:
                Queue(queue, channel=connection.channel()).delete()


def web(host: Host) -> list[str]:
    """A web process on a host."""
    return host.command(
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", host.address, "--port", str(WEB_PORT), "--workers", "1", "--blocking-threads", "2"),
    )


def sender(host: Host) -> list[str]:
    """A process that sends the outbox."""
    return host.command(sys.executable, "manage.py", "send")


def beat(host: Host, folder: Path) -> list[str]:
    return host.command(
        sys.executable, "-m", "celery", "-A", "config", "beat", "--schedule", str(folder / "beat"), "--loglevel", "info"
    )


def slow_cis(host: Host, *, delay_seconds: float) -> list[str]:
    return host.command(
        *(sys.executable, "-m", "benchmarks.hosts.slow_cis", "--host", host.address),
        *("--port", str(CIS_PORT), "--delay", str(delay_seconds)),
    )


def environment_of(hosts: Mapping[str, Host], database_url: str) -> dict[str, str]:
    """What all processes of the platform share; the lease is short, so that a cut shows its end within a minute."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DEBUG": "false",
        "ALLOWED_HOSTS": ",".join(host.address for host in hosts.values()),
        "OUTBOX_SWEEP_SECONDS": "1",
        "OUTBOX_LEASE_SECONDS": "30",
        "OUTBOX_CONNECT_TIMEOUT_SECONDS": "2",
        "OUTBOX_TOTAL_TIMEOUT_SECONDS": "5",
    }


def sender_is_ready(log: Path) -> bool:
    return log.exists() and b"sending" in log.read_bytes()


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as response:  # noqa: S310  (ours)
            return bool(response.status == 200)
    except OSError:
        return False


@asynccontextmanager
async def platforms(urls: Sequence[str], account: Account) -> AsyncIterator[list[Platform]]:
    """The platform at several addresses, with little patience for each."""
    timeout = aiohttp.ClientTimeout(total=3, connect=1)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield [Platform(session=session, url=url, account=account, clock=timezone.now) for url in urls]
