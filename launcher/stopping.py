"""Ctrl-C and its relatives. A handler only notes the signal, so nothing is interrupted half-way."""

import signal
import time
from types import FrameType

from launcher.errors import StopRequested

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STEP_SECONDS = 0.1


class StopRequest:
    def __init__(self) -> None:
        self.signals: list[int] = []

    def listen(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)
        return self

    def __bool__(self) -> bool:
        return bool(self.signals)

    def hurried(self) -> bool:
        """A second Ctrl-C means: do not wait any longer."""
        return len(self.signals) > 1

    def raise_if_requested(self) -> None:
        if self.signals:
            raise StopRequested

    def pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.signals and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, STEP_SECONDS))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)
