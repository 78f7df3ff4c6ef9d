"""Work in a thread with its own database connection, so that two transactions can really meet."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from django.db import connection

PATIENCE_SECONDS = 60.0


class Work(Future):
    """The future of work in another thread, with the process id of its server connection."""

    pid: int


def elsewhere(work: Callable[[], object]) -> Work:
    """Start `work` in a thread of its own; the future also tells its server process as `pid`."""
    future = Work()
    begun = threading.Event()

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                future.pid = cursor.fetchone()[0]
            begun.set()
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
        finally:
            begun.set()
            connection.close()

    threading.Thread(target=run, daemon=True).start()
    assert begun.wait(PATIENCE_SECONDS)
    return future


def until_done_or_waiting(future: Work) -> bool:
    """Go on when the work is done (True) or waits for a lock that somebody else holds (False)."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if future.done():
            future.result()
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [future.pid])
            if cursor.fetchone()[0]:
                return False
    raise AssertionError("neither done nor waiting for a lock")


def done(future: Future) -> object:
    return future.result(PATIENCE_SECONDS)


class Interrupted(Sequence):
    """Settlement's statements with calls in between: `{"LOCK": meet}` calls `meet` once, after that statement."""

    def __init__(self, statements: Sequence[str], after: dict[str, Callable[[], object]]) -> None:
        self.statements = statements
        self.after = dict(after)

    def __getitem__(self, number):
        return self.statements[number]

    def __len__(self) -> int:
        return len(self.statements)

    def __iter__(self) -> Iterator[str]:
        for statement in self.statements:
            yield statement
            call = self.after.pop(statement, None)
            if call is not None:
                call()
