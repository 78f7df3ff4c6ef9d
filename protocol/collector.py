"""Python's collector of cyclic garbage, while a sender has much to do.

It looks at what is young after every 700 new objects, and by and by at all that the process holds: for a sender, whose
claimed messages and results are many and none of them garbage, that is a seventh of its time.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NEW_OBJECTS = 20_000


class _Resting:
    """How many blocks are running, and what they found."""

    lock = threading.Lock()
    blocks = 0
    thresholds = (0, 0, 0)


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """In the block, of all threads: the collector passes over what there was before, and looks at the rest rarely."""
    with _Resting.lock:
        if not _Resting.blocks:
            _Resting.thresholds = gc.get_threshold()
            gc.freeze()
            gc.set_threshold(NEW_OBJECTS, *_Resting.thresholds[1:])
        _Resting.blocks += 1
    try:
        yield
    finally:
        with _Resting.lock:
            _Resting.blocks -= 1
            if not _Resting.blocks:
                gc.set_threshold(*_Resting.thresholds)
                gc.unfreeze()
