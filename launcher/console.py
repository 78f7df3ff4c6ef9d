"""What the person at the terminal sees: lines, and below them one line that is refreshed in place."""

import os
import sys
import time
from contextlib import suppress
from typing import TextIO

CLEAR_LINE = "\r\x1b[K"


class Console:
    def __init__(self, stream: TextIO | None = None, *, every: float = 10.0) -> None:
        """`every`: seconds between status lines when the stream is not a terminal."""
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._every = every
        self._shown = ""
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        self._write((CLEAR_LINE if self._shown else "") + text + "\n")
        if self._shown:
            self._write(self._shown)

    def status(self, text: str) -> None:
        if self._live:
            self._shown = text[: self._width() - 1]
            self._write(CLEAR_LINE + self._shown)
        elif time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self._write(text + "\n")

    def leave_status(self) -> None:
        """Let the last status stand, and go on below it."""
        if self._shown:
            self._shown = ""
            self._write("\n")

    def _write(self, text: str) -> None:
        # The terminal may be closed already; that must not keep anything from being stopped.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            return 80
