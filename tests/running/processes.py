"""The platform's own processes, started for real on the test database."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The database that this test uses, for other processes."""
    settings = connection.settings_dict
    password = f":{quote(settings['PASSWORD'], safe='')}" if settings["PASSWORD"] else ""
    return f"postgres://{settings['USER']}{password}@{settings['HOST']}:{settings['PORT'] or 5432}/{settings['NAME']}"


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Running:
    """One process in its own group, which can be killed whole and started again."""

    def __init__(self, arguments: list[str], *, log: Path, environment: dict[str, str]) -> None:
        self.arguments, self.log = [sys.executable, "-m", *arguments], log
        self.environment = {**os.environ, "DEBUG": "true", **environment}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        self.process.wait(20)


@contextmanager
def running(arguments: list[str], *, log: Path, environment: dict[str, str]):
    process = Running(arguments, log=log, environment=environment)
    try:
        yield process
    finally:
        process.kill()


def web_arguments(port: int, *, workers: int = 1) -> list[str]:
    return [
        *("granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--blocking-threads", "4"),
    ]


def worker_arguments(folder: Path) -> list[str]:
    """A worker with beat inside; its queue is its own, so that tests share a broker without meeting."""
    return [
        *("celery", "-A", "config", "worker", "--concurrency", "1", "--loglevel", "warning"),
        *("--beat", "--schedule", str(folder / "beat"), "--without-gossip", "--without-mingle"),
    ]


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False
