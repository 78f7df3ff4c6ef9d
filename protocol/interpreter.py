"""How Python divides its time while a sender has much to do: less to its collector of garbage, sooner between threads.

The collector looks at what is young after every 700 new objects, and by and by at all that the process holds: for a
sender, whose claimed messages and results are many and none of them garbage, that took a seventh of its time.

The thread that talks to the database needs the interpreter again after each answer, and the courier's thread, which
always has something to do, lets go of it only when asked: after 5 ms, which is longer than the database took.
"""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NEW_OBJECTS = 20_000
SWITCH_SECONDS = 0.001


class _Tuned:
    """How many blocks are running, and what the first of them found."""

    lock = threading.Lock()
    blocks = 0
    thresholds = (0, 0, 0)
    switch_seconds = 0.0


@contextmanager
def tuned_for_sending() -> Iterator[None]:
    """In the block, for all threads of the process; after the last block everything is as it was before the first."""
    with _Tuned.lock:
        if not _Tuned.blocks:
            _tune()
        _Tuned.blocks += 1
    try:
        yield
    finally:
        with _Tuned.lock:
            _Tuned.blocks -= 1
            if not _Tuned.blocks:
                _restore()


def _tune() -> None:
    _Tuned.thresholds, _Tuned.switch_seconds = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *_Tuned.thresholds[1:])
    sys.setswitchinterval(SWITCH_SECONDS)


def _restore() -> None:
    gc.set_threshold(*_Tuned.thresholds)
    gc.unfreeze()
    sys.setswitchinterval(_Tuned.switch_seconds)
