"""Transactions that the database broke off for the sake of another one are begun again."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, SerializationFailure

TRIES = 3
# Whoever was broken off lets the other one take the lock that it waits for: begun again at once, it can be there first
# and meet the same deadlock. The wait grows with each try and differs between two that were broken off together.
PAUSE_SECONDS = (0.01, 0.05)

P = ParamSpec("P")
T = TypeVar("T")


def broken_off(error: BaseException) -> bool:
    """True when the database chose this transaction to end a deadlock: nothing of it happened, it may be repeated."""
    return isinstance(error.__cause__, DeadlockDetected | SerializationFailure)


def atomically(work: Callable[P, T]) -> Callable[P, T]:
    """Run `work` in a transaction of its own, up to three times when the database breaks it off.

    Everything that locks takes its locks in one order (docs/architecture.md), so that this should never be needed; but
    unique indexes are locks too, and whoever is refused for another's sake has done nothing wrong. Within a running
    transaction it is tried once: only the outermost can be begun again.
    """

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for tries_left in reversed(range(TRIES)):
            try:
                with transaction.atomic():
                    return work(*args, **kwargs)
            except OperationalError as error:
                if not tries_left or connection.in_atomic_block or not broken_off(error):
                    raise
            # Outside the transaction: nothing is locked meanwhile.
            time.sleep(random.uniform(*PAUSE_SECONDS) * (TRIES - tries_left))
        raise AssertionError("the last try returns or raises")

    return run
