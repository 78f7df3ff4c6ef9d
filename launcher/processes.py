"""The process table: every program that `make run` and `make serve` start, in the order of their start."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher import spawning
from launcher.configuration import PROJECT, Configuration
from launcher.demo import COMPANY, DAYS, FACTOR, METERS
from launcher.ending import POLITE, Signals
from launcher.state import StateDirectory

# Braces are filled in after splitting, so a path with spaces stays one argument.
WEB = (
    "web",
    "-m granian --interface wsgi --host {web_host} --port {web_port} --workers {web_workers}"
    " --blocking-threads {web_threads} --respawn-failed-workers --workers-kill-timeout 5 --no-ws"
    " config.wsgi:application",
)
BACKGROUND = (
    ("worker", "-m celery -A config worker -l info --concurrency {worker_concurrency}"),
    ("sender", "manage.py send"),
    ("beat", "-m celery -A config beat -l info -s {state}/celerybeat-schedule --pidfile="),
)
NEIGHBOUR = f"--company {COMPANY} --factor {FACTOR} --meters {METERS} --days {DAYS}"
NEIGHBOURS = (
    (
        "cis",
        "manage.py simulate_cis --platform {web_url} --app-code {cis_app_code} --listen 127.0.0.1:{cis_port}"
        " --command-rate 4 --recharge-rate 4 " + NEIGHBOUR,
    ),
    (
        "headend",
        "manage.py simulate_headend --platform {web_url} --app-code {headend_app_code}"
        " --listen 127.0.0.1:{headend_port} --interval 10 --alarm-rate 0.01 " + NEIGHBOUR,
    ),
)


@dataclass(frozen=True)
class Program:
    """A Python program of the project that is kept running."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    signals: Signals = POLITE

    def spawn(self) -> subprocess.Popen[bytes]:
        return spawning.spawn(
            [sys.executable, *self.arguments], log=self.log, directory=PROJECT, environment=self.environment
        )


class ProcessTable:
    """Fills the rows above with this installation's values."""

    def __init__(self, configuration: Configuration, state: StateDirectory, environment: Mapping[str, str]) -> None:
        self._state = state
        self._environment = environment
        self._values = {
            "web_host": configuration.web_host,
            "web_port": configuration.web_port,
            "web_url": configuration.web_url,
            "web_workers": configuration.number("WEB_WORKERS", 2),
            "web_threads": configuration.number("WEB_THREADS", 4),
            "worker_concurrency": configuration.number("WORKER_CONCURRENCY", 2),
            "cis_port": configuration.cis_port,
            "headend_port": configuration.headend_port,
            "cis_app_code": environment.get("DEMO_CIS_APP_CODE", ""),
            "headend_app_code": environment.get("DEMO_HEADEND_APP_CODE", ""),
            "state": state.path,
        }

    def program(self, row: tuple[str, str]) -> Program:
        name, line = row
        arguments = tuple(part.format(**self._values) for part in shlex.split(line))
        return Program(name, arguments, self._environment, self._state.log(name))
