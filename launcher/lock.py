"""One launcher at a time uses a state directory."""

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from launcher.errors import StartRefused

CLEANUP_SECONDS = 40.0


class AlreadyRunning(StartRefused):
    def __init__(self, holder: dict[str, Any], path: Path) -> None:
        super().__init__(
            f"already running: process {holder.get('pid', '?')} (`{holder.get('command', '?')}`) "
            f"uses {path.parent}. "
            "Stop it first, or give this one its own DAS_STATE_DIR and ports."
        )


class InstanceLock:
    """A file lock. The guard inherits it, so it stays taken until a killed launcher's leavings are gone."""

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command
        self.fd = -1

    def __enter__(self) -> "InstanceLock":
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire()
        except BaseException:
            os.close(self.fd)
            raise
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps({"pid": os.getpid(), "command": self.command}).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def _acquire(self) -> None:
        deadline = time.monotonic() + CLEANUP_SECONDS
        while not self._taken():
            holder = self._holder()
            if _is_launcher(holder.get("pid")) or time.monotonic() > deadline:
                raise AlreadyRunning(holder, self.path)
            time.sleep(0.1)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except ValueError:
            return {}


def _is_launcher(pid: object) -> bool:
    """False when the process that took the lock is dead and only its guard still holds it."""
    try:
        process = psutil.Process(pid if isinstance(pid, int) else -1)
        return process.status() != psutil.STATUS_ZOMBIE and "launcher" in process.cmdline()
    except (psutil.Error, ValueError):
        return False
