"""Sending signed messages over HTTP: many at once on kept-alive connections, everything bounded (R15)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from django.conf import settings
from django.utils import timezone

from protocol.models import Peer
from protocol.paths import message_path
from protocol.signature import signed_headers

MAX_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Parcel:
    """One claimed message and the peer it goes to."""

    message_id: int
    peer: Peer
    code: str
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try: an HTTP status and a text, or (status None) an error in words."""

    parcel: Parcel
    started_at: datetime
    duration_ms: int
    http_status: int | None
    text: str
    error: str


def send_all(parcels: Sequence[Parcel]) -> list[Outcome]:
    """Send every parcel once and return when all are answered or have failed."""
    return asyncio.run(_send_all(parcels))


async def _send_all(parcels: Sequence[Parcel]) -> list[Outcome]:
    timeout = aiohttp.ClientTimeout(
        total=settings.OUTBOX_TOTAL_TIMEOUT_SECONDS, connect=settings.OUTBOX_CONNECT_TIMEOUT_SECONDS
    )
    connector = aiohttp.TCPConnector(limit=0)
    places = asyncio.Semaphore(settings.OUTBOX_CONCURRENCY)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def send_in_turn(parcel: Parcel) -> Outcome:
            async with places:
                return await _send(session, parcel)

        return list(await asyncio.gather(*map(send_in_turn, parcels)))


async def _send(session: aiohttp.ClientSession, parcel: Parcel) -> Outcome:
    started_at, clock = timezone.now(), time.monotonic()
    status, text, error = None, "", ""
    try:
        status, text = await _post(session, parcel, now=started_at)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
        error = f"{type(failure).__name__}: {failure}".rstrip(": ")
    return Outcome(
        parcel=parcel,
        started_at=started_at,
        duration_ms=round((time.monotonic() - clock) * 1000),
        http_status=status,
        text=text,
        error=error,
    )


async def _post(session: aiohttp.ClientSession, parcel: Parcel, *, now: datetime) -> tuple[int, str]:
    peer = parcel.peer
    headers = signed_headers(app_code=peer.app_code, app_secret=peer.app_secret, now=now)
    url = peer.url.rstrip("/") + message_path(parcel.code)
    async with session.post(url, data=parcel.body.encode(), headers=headers, allow_redirects=False) as response:
        # A bounded read: an endless answer costs at most this much, and at most the total time-out.
        chunks, size = [], 0
        async for chunk in response.content.iter_chunked(MAX_ANSWER_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise ValueError("answer larger than 64 KiB")
        text = b"".join(chunks).decode("utf-8", errors="replace").replace("\x00", "")
        return response.status, text
