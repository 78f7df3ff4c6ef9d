"""Ending processes: ask, wait, insist, and leave nothing of the group. For supervisor and guard alike."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

Signals = tuple[tuple[int, float], ...]
POLITE: Signals = ((signal.SIGTERM, 8.0),)
STEP_SECONDS = 0.02


@dataclass(frozen=True)
class Target:
    """A process that leads its own group, and how to ask it: signals, each with the patience for it.

    `tree` marks a command that shares our terminal's group: its descendants are ended instead of its group.
    """

    pid: int
    signals: Signals = POLITE
    tree: bool = False


def process_of(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def is_gone(process: psutil.Process) -> bool:
    """A zombie is gone too: where PID 1 does not reap, it may stay in the table for ever."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_gone(process: psutil.Process, seconds: float, hurried: Callable[[], bool] = lambda: False) -> bool:
    deadline = time.monotonic() + seconds
    while not is_gone(process):
        if time.monotonic() > deadline or hurried():
            return False
        time.sleep(STEP_SECONDS)
    return True


def ask(process: psutil.Process, signals: Signals, hurried: Callable[[], bool] = lambda: False) -> None:
    """Send the signals in turn until the process is gone; SIGKILL is the last word."""
    with suppress(psutil.NoSuchProcess):
        for number, seconds in signals:
            process.send_signal(number)
            if wait_gone(process, seconds, hurried):
                return
        process.kill()
        wait_gone(process, 5.0)


def end(target: Target, hurried: Callable[[], bool] = lambda: False) -> None:
    leader = process_of(target.pid)
    descendants = _descendants(leader) if target.tree else []
    if leader is not None:
        ask(leader, target.signals, hurried)
    if target.tree:
        for process in descendants:
            ask(process, ((signal.SIGTERM, 1.0),), hurried)
    else:
        kill_group(target.pid)


def kill_group(leader: int) -> None:
    """End what a leader left behind; servers with worker processes do leave some when they are killed."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _descendants(leader: psutil.Process | None) -> list[psutil.Process]:
    try:
        return list(leader.children(recursive=True)) if leader is not None else []
    except psutil.NoSuchProcess:
        return []
