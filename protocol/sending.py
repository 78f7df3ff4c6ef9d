"""Sending signed messages over HTTP: many at once on kept-alive connections, everything bounded (R15).

A `Courier` is one asyncio loop in a thread of its own (uvloop where there is one); it knows no database.
"""

import asyncio
import logging
import threading
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

import aiohttp
from django.conf import settings
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from protocol.deadlines import Deadlines
from protocol.lanes import ClaimedLane, Mail
from protocol.models import Peer
from protocol.paths import message_path
from protocol.signature import signed_headers

try:
    from uvloop import new_event_loop
except ImportError:  # There is none for Windows.
    new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
MAX_ANSWER_BYTES = 64 * 1024
# A quick peer is not sent more by more requests at once than a few: each would only take more time here. Where this
# process is busy (which part of a processor it has), only a peer that needs several times as long counts as slow.
FEW_CARRIERS = 64
BUSY, AMPLE = 0.6, 0.25
SLOW_SECONDS = 0.025


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed lane and the peer its mail goes to."""

    claimed: ClaimedLane
    peer: Peer


class Outcome(NamedTuple):
    """What came of one try: an HTTP status and a text, or (status None) an error in words."""

    claimed: ClaimedLane
    mail: Mail
    started_at: datetime
    duration_ms: int
    http_status: int | None
    text: str
    error: str


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """The courier has no more to do for a lane."""

    claimed: ClaimedLane


class Courier(Generic[Result]):
    """Carries lanes: the mail of each one after another, until `goes_on` says no to a result; lanes side by side.

    `reads` makes each Outcome a result, which comes into `results`, in order, then a LaneEnd for the lane.
    """

    def __init__(self, *, reads: Callable[[Outcome], Result], goes_on: Callable[[Result], bool]) -> None:
        self.results: SimpleQueue[Result | LaneEnd] = SimpleQueue()
        self._reads, self._goes_on = reads, goes_on
        self._loop = new_event_loop()
        self._routes: dict[int, _Route] = defaultdict(_Route)
        self._tasks: set[asyncio.Task[None]] = set()
        self._longest = settings.OUTBOX_TOTAL_TIMEOUT_SECONDS
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def __enter__(self) -> "Courier[Result]":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *failure: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def carry(self, parcels: Sequence[Parcel]) -> None:
        """Begin to send these lanes; returns at once."""
        self._loop.call_soon_threadsafe(self._begin, parcels)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        async with _session() as session:
            self._post = Post(session)
            self._ready.set()
            await self._end.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            route = self._routes[parcel.claimed.peer_id]
            route.waiting.append(parcel)
            if route.carriers < FEW_CARRIERS or route.is_slow:
                self._employ(route)
            elif not route.is_watched:
                route.look()
                route.is_watched = True
                self._loop.call_later(SLOW_SECONDS, self._watch, route)

    def _employ(self, route: "_Route") -> None:
        route.carriers += 1
        task = self._loop.create_task(self._work(route))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch(self, route: "_Route") -> None:
        """While more lanes come than a few carry: does the peer need longer than SLOW_SECONDS, or this process?"""
        answers, busy = route.answers, route.look()
        route.is_slow = answers < route.carriers * (AMPLE if busy > BUSY else 1)
        if route.is_slow:
            for _ in range(min(route.carriers, len(route.waiting))):
                self._employ(route)
        route.is_watched = route.is_slow or bool(route.waiting)
        if route.is_watched:
            self._loop.call_later(SLOW_SECONDS, self._watch, route)

    async def _work(self, route: "_Route") -> None:
        """Carry one lane after another while any waits."""
        try:
            while route.waiting and (route.is_slow or route.carriers <= FEW_CARRIERS):
                await self._carry(route.waiting.popleft(), route)
        finally:
            route.carriers -= 1

    async def _carry(self, parcel: Parcel, route: "_Route") -> None:
        try:
            for mail in parcel.claimed.mail:
                if self._too_late(parcel.claimed):
                    break
                result = self._reads(await self._post.send(parcel, mail))
                route.answers += 1
                self.results.put(result)
                if not self._goes_on(result):
                    break
        except Exception:
            # The lane is let go, and what it holds is tried again; its carrier goes on with the next.
            logger.exception(
                "mail of peer %s, lane %s, could not be carried", parcel.claimed.peer_id, parcel.claimed.lane
            )
        finally:
            self.results.put(LaneEnd(parcel.claimed))

    def _too_late(self, claimed: ClaimedLane) -> bool:
        """A try that might last longer than the lease could meet that of another sender."""
        return (claimed.lease - datetime.now(UTC)).total_seconds() <= self._longest


class _Route:
    """The lanes of one peer that wait in a courier; how many tasks carry them; what has been since the last look."""

    __slots__ = ("answers", "carriers", "cpu", "is_slow", "is_watched", "moment", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Parcel] = deque()
        self.carriers, self.answers = 0, 0
        self.is_slow, self.is_watched = False, False
        self.moment, self.cpu = 0.0, 0.0

    def look(self) -> float:
        """Counts answers anew; returns which part of a processor this process had since the last look."""
        moment, cpu = time.monotonic(), time.process_time()
        busy = (cpu - self.cpu) / (moment - self.moment)
        self.answers, self.moment, self.cpu = 0, moment, cpu
        return busy


def send_once(parcel: Parcel, mail: Mail) -> Outcome:
    """One message at once, on a connection of its own. The caller is in no transaction."""

    async def sent() -> Outcome:
        async with _session() as session:
            return await Post(session).send(parcel, mail)

    return asyncio.run(sent())


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=30)
    # Only what a new connection may take: all other time-outs are Deadlines.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.OUTBOX_CONNECT_TIMEOUT_SECONDS)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


def _running_task() -> "asyncio.Task[Any]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("messages are sent by tasks")
    return task


class Post:
    """One session of the HTTP client, and the time-outs of what it sends."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session, self._deadlines = session, Deadlines()
        self._clock = asyncio.get_running_loop().time
        self._total, self._read = settings.OUTBOX_TOTAL_TIMEOUT_SECONDS, settings.OUTBOX_READ_TIMEOUT_SECONDS
        # When a connection has to be made first, the peer still has its whole time to answer.
        self._first = min(self._total, settings.OUTBOX_CONNECT_TIMEOUT_SECONDS + self._read)

    async def send(self, parcel: Parcel, mail: Mail) -> Outcome:
        """Never raises what a peer may provoke. One message of a task at a time."""
        task, began, started_at = _running_task(), self._clock(), datetime.now(UTC)
        status, text, error = None, "", ""
        self._deadlines.set(task, began + self._first)
        try:
            status, text = await self._exchange(parcel.peer, mail, task, began)
        except asyncio.CancelledError:
            if not self._deadlines.is_over(task):
                raise
            error = "TimeoutError"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, zlib.error) as failure:
            error = f"{type(failure).__name__}: {failure}".rstrip(": ")
        except Exception as failure:
            # Whatever a peer provokes must not end the loop that serves all others.
            logger.exception("outbound message %s could not be sent", mail.id)
            error = f"{type(failure).__name__}: {failure}"
        finally:
            self._deadlines.clear(task)
        duration_ms = round((self._clock() - began) * 1000)
        return Outcome(parcel.claimed, mail, started_at, duration_ms, status, text, error)

    async def _exchange(self, peer: Peer, mail: Mail, task: "asyncio.Task[Any]", began: float) -> tuple[int, str]:
        headers = _headers(peer.app_code, peer.app_secret, int(time.time()))
        url = _url(peer.url, mail.code)
        response = await self._session.post(url, data=mail.body.encode(), headers=headers, allow_redirects=False)
        try:
            body = await self._bounded(response.content, task, began)
        except BaseException:
            response.close()
            raise
        # Read to its end, it has given its connection back.
        if encoding := response.headers.get("Content-Encoding"):
            body = _unpacked(body, encoding=encoding)
        return response.status, body.decode("utf-8", errors="replace").replace("\x00", "")

    async def _bounded(self, content: aiohttp.StreamReader, task: "asyncio.Task[Any]", began: float) -> bytes:
        """An endless answer costs at most this much, and at most the total time-out."""
        # Most answers have come in as a whole with their headers.
        body = content.read_nowait()
        while len(body) <= MAX_ANSWER_BYTES:
            if content.at_eof():
                return body
            self._deadlines.set(task, min(began + self._total, self._clock() + self._read))
            body += await content.readany()
        raise ValueError("answer larger than 64 KiB")


@lru_cache(maxsize=256)
def _headers(app_code: str, app_secret: str, second: int) -> Mapping[str, str]:
    """A signature says the second: those of the same second are the same."""
    now = datetime.fromtimestamp(second, UTC)
    signed = signed_headers(app_code=app_code, app_secret=app_secret, now=now)
    return CIMultiDictProxy(CIMultiDict({**signed, "Accept-Encoding": "identity", "User-Agent": "open-gas-das"}))


@lru_cache(maxsize=1024)
def _url(base: str, code: str) -> URL:
    return URL(base.rstrip("/") + message_path(code))


def _unpacked(body: bytes, *, encoding: str) -> bytes:
    """We ask for none, but some servers compress all the same: never more than the bound is unpacked."""
    if encoding.lower() not in ("gzip", "deflate"):
        return body
    unpacked = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_ANSWER_BYTES + 1)
    if len(unpacked) > MAX_ANSWER_BYTES:
        raise ValueError("answer larger than 64 KiB")
    return unpacked
