"""Bursts: several statements travel to the database together, and one wait brings all their results.

psycopg's own pipeline sends and waits once per statement, which was most of what an ordinary report took. This is the
same protocol one level lower (`psycopg.pq`): statements are numbered and prepared once, values go as text.
"""

import hashlib
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DataError, connections
from psycopg.adapt import Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

_NAMED = re.compile(r"%\((\w+)\)s")
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)
Values = Mapping[str, Any]


class Statement:
    """SQL of our own with %(name)s for values. The database tells their types by where they stand, or by a cast."""

    def __init__(self, text: str) -> None:
        numbers: dict[str, int] = {}
        numbered = _NAMED.sub(lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", text)
        self.text = numbered.replace("%%", "%").encode()
        self.names = tuple(numbers)
        self.name = b"das_" + hashlib.sha256(self.text).hexdigest()[:16].encode()

    def texts(self, values: Values) -> list[bytes | None]:
        return [None if (value := values[name]) is None else _WRITERS[type(value)](value) for name in self.names]


BEGIN, COMMIT, ROLLBACK = map(Statement, ("BEGIN", "COMMIT", "ROLLBACK"))
# Within a running transaction.
SAVE, RELEASE, BACK = map(Statement, ("SAVEPOINT burst", "RELEASE SAVEPOINT burst", "ROLLBACK TO SAVEPOINT burst"))


def _text(value: str) -> bytes:
    # It would end the text: what follows would be lost.
    if "\x00" in value:
        raise DataError("a text holds NUL")
    return value.encode()


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    int: lambda value: b"%d" % value,
    bool: lambda value: b"t" if value else b"f",
    Decimal: lambda value: str(value).encode(),
    date: lambda value: value.isoformat().encode(),
    datetime: lambda value: value.isoformat().encode(),
    bytes: lambda value: b"\\x" + value.hex().encode(),
}

# Which statements each connection has prepared.
_prepared: WeakKeyDictionary[psycopg.Connection[Any], set[bytes]] = WeakKeyDictionary()


class Transaction:
    """A transaction whose statements go in bursts: BEGIN with the first, COMMIT with the last."""

    def __init__(self, raw: psycopg.Connection[Any], *, begin: tuple[Statement, ...], commit: Statement) -> None:
        self._raw, self._begin, self._commit = raw, begin, commit
        self._has_begun, self.is_open = False, False

    def ask(self, *statements: Statement, values: Values) -> tuple[Any, ...] | None:
        """Execute these; the row of the last one, or None. All take what they need of `values`."""
        result = self._send(statements, values)[-1]
        if not result.ntuples:
            return None
        # Without the connection, whose loaders are Django's own and written in Python.
        transformer = Transformer()
        transformer.set_pgresult(result)
        return transformer.load_row(0, tuple)

    def finish(self, *statements: Statement, values: Values) -> None:
        """Execute these and commit."""
        self._send((*statements, self._commit), values)
        self.is_open = False

    def _send(self, statements: tuple[Statement, ...], values: Values) -> list[PGresult]:
        if not self._has_begun:
            statements = (*self._begin, *statements)
            self._has_begun = self.is_open = True
        before = frozenset(_prepared.get(self._raw, ()))
        known = self._prepare(statements)
        texts = [statement.texts(values) for statement in statements]
        pgconn = self._raw.pgconn
        pgconn.enter_pipeline_mode()
        for statement, parameters in zip(statements, texts, strict=True):
            if statement.name in known:
                pgconn.send_query_prepared(statement.name, parameters)
            else:
                pgconn.send_query_params(statement.text, parameters)
        pgconn.pipeline_sync()
        results = self._raw.wait(_results(pgconn))
        pgconn.exit_pipeline_mode()
        failed = next((result for result in results if result.status in _FAILED), None)
        if failed is not None:
            raise self._error(failed, fresh=known - before)
        return results

    def _prepare(self, statements: tuple[Statement, ...]) -> set[bytes]:
        """The names of what this connection knows by now: all of them, unless preparing is forbidden."""
        known = _prepared.setdefault(self._raw, set())
        if settings.DATABASES["default"]["OPTIONS"]["prepare_threshold"] is None:
            return set()
        for statement in statements:
            if statement.name not in known:
                result = self._raw.pgconn.prepare(statement.name, statement.text)
                if result.status in _FAILED:
                    raise self._error(result)
                known.add(statement.name)
        return known

    def _error(self, result: PGresult, *, fresh: Iterable[bytes] = ()) -> psycopg.Error:
        error = error_from_result(result, self._raw.info.encoding)
        if isinstance(error, InvalidSqlStatementName):
            # Somebody has deallocated them all but those that were prepared just now.
            _prepared[self._raw] = set(fresh)
        return error


def _results(pgconn: PGconn) -> Generator[Wait, Ready | int, list[PGresult]]:
    """What comes until the end of the burst."""
    results: list[PGresult] = []
    is_sent = pgconn.flush() == 0
    while True:
        ready = yield Wait.R if is_sent else Wait.RW
        if not is_sent:
            is_sent = pgconn.flush() == 0
        if not ready & Ready.R:
            continue
        pgconn.consume_input()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)


@contextmanager
def in_bursts() -> Iterator[Transaction]:
    """A transaction in bursts; what is not finished is rolled back. Errors are Django's.

    On Django's connection where it has one, else on one of its pool, without what Django makes ready for models.
    """
    django: Any = connections[DEFAULT_DB_ALIAS]
    with django.wrap_database_errors:
        if django.connection is not None:
            within = django.in_atomic_block
            with _transaction(django.connection, within=within) as transaction:
                yield transaction
            return
        # Django opens it with its own first connection, which may still be to come.
        django.pool.open()
        raw = django.pool.getconn()
        try:
            with _transaction(raw, within=False) as transaction:
                yield transaction
        finally:
            django.pool.putconn(raw)


@contextmanager
def _transaction(raw: psycopg.Connection[Any], *, within: bool) -> Iterator[Transaction]:
    # Django begins a transaction with its first statement, which this may be.
    begin = () if raw.pgconn.transaction_status == TransactionStatus.INTRANS else (BEGIN,)
    transaction = Transaction(raw, begin=(*begin, SAVE) if within else (BEGIN,), commit=RELEASE if within else COMMIT)
    try:
        yield transaction
    finally:
        if transaction.is_open:
            _undo(raw, within=within)


def _undo(raw: psycopg.Connection[Any], *, within: bool) -> None:
    if raw.pgconn.pipeline_status != PipelineStatus.OFF:
        # Interrupted while results were on their way: nobody could tell them from those of the next statement.
        raw.close()
    elif raw.info.transaction_status != TransactionStatus.IDLE:
        raw.execute((BACK if within else ROLLBACK).text)
