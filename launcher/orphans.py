"""Servers that a crash left running on our data, and the pid files that a crash left lying about."""

from pathlib import Path

import psutil

from launcher.ending import Signals, ask


def clear(pid_file: Path, *, program: str, signals: Signals) -> None:
    """Before a start: stop a server that still uses this data directory, then remove its pid file.

    The number in the file proves nothing, since it may belong to another program by now. What counts is a live
    process of that program whose working directory is the data directory.
    """
    if not pid_file.exists():
        return
    recorded = _recorded_pid(pid_file)
    found = running_in(pid_file.parent, program)
    for process in sorted(found, key=lambda one: one.pid != recorded):
        ask(process, signals)
    pid_file.unlink(missing_ok=True)


def running_in(directory: Path, program: str) -> list[psutil.Process]:
    here = directory.resolve()
    return [process for process in psutil.process_iter(["name"]) if _is(process, program, here)]


def _is(process: psutil.Process, program: str, directory: Path) -> bool:
    try:
        return (
            process.info["name"] == program
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()) == directory
        )
    except psutil.Error:
        return False


def _recorded_pid(pid_file: Path) -> int:
    first, *_ = [*pid_file.read_text(encoding="ascii", errors="replace").split(), "0"]
    return int(first) if first.isdigit() else 0
