"""HTTP servers as contenders: started once, measured in turns, ended with the block."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil

from benchmarks.programs import ROOT

READY_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(module: str, *words: str, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run `python -m module words... --port P` until the block ends; yield P once it answers."""
    port = free_port()
    command: Sequence[str] = [sys.executable, "-m", module, *words, "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603  (commands of the benchmarks)
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        yield port
    finally:
        _end(process)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not answer")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """The server and its workers, gently at first."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=10)
    for survivor in alive:
        survivor.kill()
