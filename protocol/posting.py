"""POST on kept-alive connections, and nothing else of HTTP: what a courier needs, at a third of a full client's cost.

One request at a time on each connection; as many connections as there are requests. Nothing is followed, kept or
repeated. Everything is bounded: connecting, the wait for the next piece, the whole, and the size of the answer.
"""

import asyncio
import socket
import ssl
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast

import aiohappyeyeballs
from yarl import URL

from protocol.http_answer import Answer, AnswerReader

# A server may close a connection that lies idle, just when the next request is on its way.
IDLE_SECONDS = 15.0
HAPPY_EYEBALLS_SECONDS = 0.25
Origin = tuple[str, str, int]


class InvalidUrl(ValueError):
    """Nothing that could be posted to."""


class CannotConnect(OSError):
    """Nobody listens, or there is no way."""


class ConnectionTimeoutError(TimeoutError):
    """No connection within the time for it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    connect_seconds: float
    read_seconds: float
    total_seconds: float
    answer_bytes: int


def origin_of(url: URL) -> Origin:
    """Scheme, host and port. Raises InvalidUrl."""
    if url.scheme not in ("http", "https") or not url.raw_host or not url.port:
        raise InvalidUrl(str(url))
    return url.scheme, url.raw_host, url.port


class Poster:
    """To be used in one running loop, and closed there."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        # The one that was used last is taken first, so that the others can age.
        self._idle: dict[Origin, list[_Connection]] = defaultdict(list)

    async def post(self, origin: Origin, request: bytes) -> Answer:
        """The answer to a whole request, head and body.

        Raises OSError (also TimeoutError) and ValueError; then it is not known whether the request arrived.
        """
        until = self._loop.time() + self._bounds.total_seconds
        connection = self._reusable(origin) or await self._connect(origin)
        try:
            answer = await connection.ask(request, until=until)
        except BaseException:
            connection.abort()
            raise
        if connection.is_reusable:
            self._idle[origin].append(connection)
        else:
            connection.abort()
        return answer

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _reusable(self, origin: Origin) -> "_Connection | None":
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            if connection.is_reusable and self._loop.time() - connection.used_at < IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> "_Connection":
        scheme, host, port = origin
        tls = _tls() if scheme == "https" else None
        try:
            async with asyncio.timeout(min(self._bounds.connect_seconds, self._bounds.total_seconds)):
                found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                plug = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=HAPPY_EYEBALLS_SECONDS)
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self._loop, self._bounds),
                    sock=plug,
                    ssl=tls,
                    server_hostname=host if tls else None,
                )
        except TimeoutError:
            raise ConnectionTimeoutError(f"no connection to {host}:{port} in time") from None
        except (socket.gaierror, ssl.SSLError):
            raise
        except OSError as failure:
            raise CannotConnect(f"{host}:{port}: {failure}") from failure
        return connection


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, bounds: Bounds) -> None:
        self._loop, self._bounds = loop, bounds
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._reader = AnswerReader(limit=0)
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self.used_at = loop.time()
        self.is_reusable = True

    def ask(self, request: bytes, *, until: float) -> "asyncio.Future[Answer]":
        self._reader = AnswerReader(limit=self._bounds.answer_bytes)
        self._waiter = self._loop.create_future()
        self._until, self.used_at, self.is_reusable = until, self._loop.time(), False
        self._watch()
        if self._transport is None or self._transport.is_closing():
            self._settle(lambda waiter: waiter.set_exception(ConnectionResetError("the connection broke off")))
        else:
            self._transport.write(request)
        return self._waiter

    def abort(self) -> None:
        self.is_reusable = False
        self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _watch(self) -> None:
        """One timer per request, which looks again when something has come meanwhile."""
        due = min(self._until, self.used_at + self._bounds.read_seconds)
        if due <= self._loop.time():
            self._settle(lambda waiter: waiter.set_exception(TimeoutError()))
        else:
            self._timer = self._loop.call_at(due, self._watch)

    def _settle(self, how: "Callable[[asyncio.Future[Answer]], None]") -> None:
        waiter, self._waiter = self._waiter, None
        if self._timer is not None:
            self._timer.cancel()
        if waiter is not None and not waiter.done():
            how(waiter)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            # Nobody has asked.
            self.abort()
            return
        self.used_at = self._loop.time()
        try:
            answer = self._reader.feed(data)
        except ValueError as failure:
            error = failure
            self._settle(lambda waiter: waiter.set_exception(error))
            return
        if answer is not None:
            self.is_reusable = self._reader.keeps_alive
            self._settle(lambda waiter: waiter.set_result(answer))

    def connection_lost(self, failure: Exception | None) -> None:
        self.is_reusable = False
        if self._waiter is None:
            return
        try:
            if failure is not None:
                raise failure
            answer = self._reader.end()
        except Exception as raised:
            error = raised
            self._settle(lambda waiter: waiter.set_exception(error))
            return
        self._settle(lambda waiter: waiter.set_result(answer))
