"""Starting child processes that a Ctrl-C in the terminal does not reach: each leads a session of its own."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TAIL_LINES = 15
TAIL_BYTES = 16_384


def spawn(
    command: Sequence[str], *, log: Path, directory: Path, environment: Mapping[str, str], **options: Any
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  (commands come from the process table)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,
            **options,
        )


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The end of a log file, indented for quoting it in a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def how_it_ended(returncode: int | None) -> str:
    if returncode is None:
        return "still running"
    return f"killed by signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
