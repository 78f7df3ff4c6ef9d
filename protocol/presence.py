"""Who sends on this host: so that nudges do not start loops on top of loops, and settlement keeps its worker."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from socket import gethostname

from django.db import connection

_CLASS = 0x0DA5
_TAKE_ALONE, _TAKE_SHARED = "pg_try_advisory_lock", "pg_try_advisory_lock_shared"


@contextmanager
def sending_here(*, alone: bool) -> Iterator[bool]:
    """Announce a sender on this host; yields False when `alone` is wanted and somebody sends here already.

    It lasts as long as the database connection: a sender that is killed is gone from here at once.
    """
    key = zlib.crc32(gethostname().encode()) - 2**31
    suffix = "" if alone else "_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_TAKE_ALONE if alone else _TAKE_SHARED}(%s, %s)", [_CLASS, key])
        [taken] = cursor.fetchone() or [False]
    try:
        yield taken
    finally:
        if taken and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock{suffix}(%s, %s)", [_CLASS, key])
