"""Sending signed messages over HTTP: many at once on kept-alive connections, everything bounded (R15).

A `Courier` is one asyncio loop in a thread of its own (uvloop where there is one); it knows no database.
"""

import asyncio
import logging
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from queue import SimpleQueue
from typing import Generic, TypeVar

import aiohttp
from django.conf import settings
from django.utils import timezone
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

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


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed lane and the peer its mail goes to."""

    claimed: ClaimedLane
    peer: Peer


@dataclass(frozen=True, slots=True)
class Outcome:
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
        self._tasks: set[asyncio.Task[None]] = set()
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
            self._session = session
            self._ready.set()
            await self._end.wait()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            task = self._loop.create_task(self._carry(parcel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, parcel: Parcel) -> None:
        try:
            for mail in parcel.claimed.mail:
                if _too_late(parcel.claimed):
                    break
                result = self._reads(await _send(self._session, parcel, mail))
                self.results.put(result)
                if not self._goes_on(result):
                    break
        finally:
            self.results.put(LaneEnd(parcel.claimed))


def send_once(parcel: Parcel, mail: Mail) -> Outcome:
    """One message at once, on a connection of its own. The caller is in no transaction."""

    async def sent() -> Outcome:
        async with _session() as session:
            return await _send(session, parcel, mail)

    return asyncio.run(sent())


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=30)
    return aiohttp.ClientSession(
        connector=connector, timeout=_timeout(), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


def _timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=settings.OUTBOX_TOTAL_TIMEOUT_SECONDS,
        sock_connect=settings.OUTBOX_CONNECT_TIMEOUT_SECONDS,
        sock_read=settings.OUTBOX_READ_TIMEOUT_SECONDS,
    )


def _too_late(claimed: ClaimedLane) -> bool:
    """A try that might last longer than the lease could meet that of another sender."""
    left = (claimed.lease - timezone.now()).total_seconds()
    return left <= settings.OUTBOX_TOTAL_TIMEOUT_SECONDS


async def _send(session: aiohttp.ClientSession, parcel: Parcel, mail: Mail) -> Outcome:
    started_at, clock = timezone.now(), time.monotonic()
    status, text, error = None, "", ""
    try:
        status, text = await _post(session, parcel.peer, mail, now=started_at)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, zlib.error) as failure:
        error = f"{type(failure).__name__}: {failure}".rstrip(": ")
    except Exception as failure:
        # Whatever a peer provokes must not end the loop that serves all others.
        logger.exception("outbound message %s could not be sent", mail.id)
        error = f"{type(failure).__name__}: {failure}"
    return Outcome(
        claimed=parcel.claimed,
        mail=mail,
        started_at=started_at,
        duration_ms=round((time.monotonic() - clock) * 1000),
        http_status=status,
        text=text,
        error=error,
    )


async def _post(session: aiohttp.ClientSession, peer: Peer, mail: Mail, *, now: datetime) -> tuple[int, str]:
    headers = _headers(peer.app_code, peer.app_secret, int(now.timestamp()))
    url = _url(peer.url, mail.code)
    async with session.post(url, data=mail.body.encode(), headers=headers, allow_redirects=False) as response:
        body = _unpacked(await _bounded(response), encoding=response.headers.get("Content-Encoding", ""))
        return response.status, body.decode("utf-8", errors="replace").replace("\x00", "")


@lru_cache(maxsize=256)
def _headers(app_code: str, app_secret: str, second: int) -> Mapping[str, str]:
    """A signature says the second: those of the same second are the same."""
    now = datetime.fromtimestamp(second, UTC)
    signed = signed_headers(app_code=app_code, app_secret=app_secret, now=now)
    return CIMultiDictProxy(CIMultiDict({**signed, "Accept-Encoding": "identity", "User-Agent": "open-gas-das"}))


@lru_cache(maxsize=1024)
def _url(base: str, code: str) -> URL:
    return URL(base.rstrip("/") + message_path(code))


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """An endless answer costs at most this much, and at most the total time-out."""
    chunks, size = [], 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise ValueError("answer larger than 64 KiB")
    return b"".join(chunks)


def _unpacked(body: bytes, *, encoding: str) -> bytes:
    """We ask for none, but some servers compress all the same: never more than the bound is unpacked."""
    if encoding.lower() not in ("gzip", "deflate"):
        return body
    unpacked = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_ANSWER_BYTES + 1)
    if len(unpacked) > MAX_ANSWER_BYTES:
        raise ValueError("answer larger than 64 KiB")
    return unpacked
