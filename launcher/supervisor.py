"""Keeps programs running: starts them, starts them again when they die, ends them last-started first."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from launcher import spawning
from launcher.ending import Signals, Target, end, kill_group
from launcher.errors import LauncherError
from launcher.stopping import StopRequest
from launcher.watch import Guard

LONGEST_DELAY = 30.0
# Whoever ran this long starts again with the shortest delay.
STEADY_SECONDS = 60.0
PROBE_SECONDS = 0.03


class Supervised(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def log(self) -> Path: ...
    @property
    def signals(self) -> Signals: ...
    def spawn(self) -> subprocess.Popen[bytes]: ...


@dataclass
class Child:
    program: Supervised
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    due: float | None = None

    @property
    def running(self) -> bool:
        return self.due is None


class Supervisor:
    def __init__(
        self,
        guard: Guard,
        stop: StopRequest,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = guard
        self._stop = stop
        self._say = say
        self._clock = clock
        self.children: list[Child] = []

    def start(self, program: Supervised) -> Child:
        child = Child(program, self._spawn(program), self._clock())
        self.children.append(child)
        return child

    def wait_ready(self, child: Child, ready: Callable[[], bool], seconds: float) -> None:
        deadline = self._clock() + seconds
        while not ready():
            self._stop.raise_if_requested()
            ended = child.process.poll()
            if ended is not None or self._clock() > deadline:
                reason = spawning.how_it_ended(ended) if ended is not None else f"no answer within {seconds:.0f} s"
                raise LauncherError(
                    f"{child.program.name} did not become ready ({reason}); the end of {child.program.log}:\n"
                    + spawning.tail(child.program.log)
                )
            time.sleep(PROBE_SECONDS)

    def attend(self) -> None:
        """One look at every child: notice deaths, start again what is due."""
        self._guard.ensure()
        for child in self.children:
            if child.due is not None:
                if self._clock() >= child.due:
                    self._restart(child)
            elif (ended := child.process.poll()) is not None:
                kill_group(child.process.pid)
                self._guard.release(child.process.pid)
                self._postpone(child, spawning.how_it_ended(ended))

    def down(self) -> list[str]:
        return [child.program.name for child in self.children if not child.running]

    def stop(self) -> None:
        while self.children:
            child = self.children.pop()
            if child.running:
                end(Target(child.process.pid, child.program.signals), self._stop.hurried)
                child.process.wait()
                self._guard.release(child.process.pid)

    def _spawn(self, program: Supervised) -> subprocess.Popen[bytes]:
        process = program.spawn()
        self._guard.watch(Target(process.pid, program.signals))
        return process

    def _postpone(self, child: Child, how: str) -> None:
        if self._clock() - child.started > STEADY_SECONDS:
            child.failures = 0
        delay = min(2.0**child.failures, LONGEST_DELAY)
        child.failures += 1
        child.due = self._clock() + delay
        self._say(f"{child.program.name} ended ({how}); starting it again in {delay:.0f} s; log: {child.program.log}")

    def _restart(self, child: Child) -> None:
        child.started = self._clock()
        child.due = None
        try:
            child.process = self._spawn(child.program)
        except (OSError, LauncherError) as error:
            self._postpone(child, f"could not start: {error}")
            return
        self._say(f"{child.program.name} started again")
