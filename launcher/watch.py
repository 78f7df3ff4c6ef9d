"""The launcher's side of the guard."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from launcher.configuration import PROJECT
from launcher.ending import Target


class Guard:
    def __init__(self, held: tuple[int, ...] = ()) -> None:
        """`held`: file descriptors, such as the lock's, that stay open until the guard is through."""
        self._held = held
        self._targets: dict[int, Target] = {}
        self._scratch: list[Path] = []
        self._process = self._spawn()

    def __enter__(self) -> "Guard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closing the pipe makes the guard end what is left, also after an error in the launcher itself."""
        self._process.communicate()

    def watch(self, target: Target) -> None:
        self._targets[target.pid] = target
        self._send(_watch_order(target))

    def release(self, pid: int) -> None:
        if self._targets.pop(pid, None) is not None:
            self._send({"release": pid})

    def discard_at_the_end(self, path: Path) -> None:
        self._scratch.append(path)
        self._send({"discard": str(path)})

    def ensure(self) -> None:
        """A guard that was killed is replaced and told everything again."""
        if self._process.poll() is not None:
            self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "launcher.guard"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            pass_fds=self._held,
        )
        orders = [
            *map(_watch_order, self._targets.values()),
            *({"discard": str(path)} for path in self._scratch),
        ]
        for order in orders:
            _write(process, order)
        return process

    def _send(self, order: dict[str, Any]) -> None:
        try:
            _write(self._process, order)
        except BrokenPipeError:
            self._process.communicate()
            self._process = self._spawn()


def _watch_order(target: Target) -> dict[str, Any]:
    return {"watch": {"pid": target.pid, "signals": target.signals, "tree": target.tree}}


def _write(process: subprocess.Popen[str], order: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
