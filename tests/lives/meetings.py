"""Two transactions that really meet: one stands still in the middle of its work while the other one comes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from django.db import connection

from tests.readings.elsewhere import PATIENCE_SECONDS, done, elsewhere, until_done_or_waiting
from tests.running.processes import wait_until


class Pause:
    """Stops the first caller of `module.name` after its work, in whatever transaction that is, until `go_on`."""

    def __init__(self, monkeypatch, module: Any, name: str) -> None:
        self.original = getattr(module, name)
        self.reached, self.released = threading.Event(), threading.Event()
        self.first = threading.Lock()
        monkeypatch.setattr(module, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.original(*args, **kwargs)
        if self.first.acquire(blocking=False):
            self.reached.set()
            assert self.released.wait(PATIENCE_SECONDS)
        return result

    def go_on(self) -> None:
        self.released.set()


def meet(pause: Pause, first: Callable[[], Any], second: Callable[[], Any], *, waits: bool = True) -> tuple[Any, Any]:
    """Both results: `second` comes while `first` stands in its pause. `waits`: it cannot finish before `first`."""
    going = elsewhere(first)
    assert pause.reached.wait(PATIENCE_SECONDS), going
    coming = elsewhere(second)
    try:
        assert until_done_or_waiting(coming) is not waits
    finally:
        pause.go_on()
    return done(going), outcome(coming)


def outcome(future: Future) -> Any:
    """What the work returned, or the exception that it raised."""
    return future.exception(PATIENCE_SECONDS) or future.result()


def until_waiting(number: int) -> None:
    """Until so many transactions of this database wait for another one."""
    wait_until(lambda: _waiting() >= number, seconds=PATIENCE_SECONDS, what=f"{number} transactions wait")


def _waiting() -> int:
    with connection.cursor() as cursor:
        # Inside a transaction the activity is read once only, unless forgotten.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        return cursor.fetchone()[0]
