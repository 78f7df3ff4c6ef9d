"""Programs as contenders: their seconds and their largest memory."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.frame import Sample

ROOT = Path(__file__).resolve().parent.parent
MEMORY = "memory MB"


def installed(program: str) -> bool:
    return shutil.which(program) is not None


def manage(*words: str) -> list[str]:
    """The command line of one of the project's own commands."""
    return [sys.executable, str(ROOT / "manage.py"), *words]


def run_program(command: Sequence[str], *, environment: Mapping[str, str] = os.environ) -> Sample:
    """Run it to its end with its output thrown away; raises when it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  (commands of the benchmarks)
        command, cwd=ROOT, env=dict(environment), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    with PeakMemory(process.pid) as peak:
        status = process.wait()
    seconds = time.perf_counter() - begin
    if status != 0:
        raise RuntimeError(f"{command[0]} ended with status {status}")
    return Sample(seconds, {MEMORY: peak.megabytes})


class PeakMemory:
    """The largest resident memory of a process while the block runs, as Linux tells it (0 elsewhere).

    The kernel's figure for ended children would also hold what this process had in memory when it forked.
    """

    def __init__(self, pid: int, *, every_seconds: float = 0.05) -> None:
        self.pid, self.every_seconds = pid, every_seconds
        self.megabytes = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.megabytes = max(self.megabytes, resident_megabytes(self.pid))
            if self._end.wait(self.every_seconds):
                return


def resident_megabytes(pid: int) -> float:
    """What a process holds in memory now; 0 when it is gone or the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
