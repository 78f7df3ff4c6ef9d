"""Signed messages to the platform over kept-alive connections, and what its answers mean (R3, R4, R15)."""

import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from protocol.errors import EchoCode
from protocol.paths import message_path
from protocol.signature import signed_headers

Clock = Callable[[], datetime]

CONNECT_TIMEOUT_SECONDS = 5.0
TOTAL_TIMEOUT_SECONDS = 120.0
SUCCESS_CODES = frozenset({EchoCode.SUCCESS.value, "0"})
RETRIED_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Account:
    """An appCode and its secret, which is kept out of every text made of this."""

    app_code: str
    app_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One try: an HTTP status and the envelope ({} when unreadable), or (status None) the failure in words."""

    status: int | None
    envelope: dict[str, Any]
    failure: str = ""

    @property
    def echo_code(self) -> str:
        return str(self.envelope.get("echoCode", ""))

    @property
    def message(self) -> str:
        text = self.envelope.get("echoMsg", "")
        return text if isinstance(text, str) else ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and self.status < 300 and self.echo_code in SUCCESS_CODES

    @property
    def worth_retrying(self) -> bool:
        """True when the platform was not there: the same message may get through later."""
        if self.status is None or self.status >= 500 or self.status in RETRIED_STATUSES:
            return True
        return self.echo_code == EchoCode.UNAVAILABLE or (self.status < 300 and not self.echo_code)

    @property
    def problem(self) -> str:
        """One line for people."""
        return self.failure or f"{self.echo_code or f'HTTP {self.status}'} {self.message}".strip()


class Platform:
    """The platform as one account sees it."""

    def __init__(self, *, session: aiohttp.ClientSession, url: str, account: Account, clock: Clock) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._account = account
        self._clock = clock

    async def post(self, code: str, body: bytes) -> Answer:
        """Send `body` once, signed now; a failure of the connection is an answer too."""
        account = self._account
        headers = signed_headers(app_code=account.app_code, app_secret=account.app_secret, now=self._clock())
        url = self._url + message_path(code)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return Answer(response.status, _envelope(await response.read()))
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            return Answer(None, {}, f"{type(failure).__name__}: {failure}".rstrip(": "))


@asynccontextmanager
async def open_platform(*, url: str, account: Account, clock: Clock) -> AsyncIterator[Platform]:
    timeout = aiohttp.ClientTimeout(total=TOTAL_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Platform(session=session, url=url, account=account, clock=clock)


def new_serial() -> str:
    return uuid.uuid4().hex


def pause_after(tries: int, *, first: float, longest: float = 10.0) -> float:
    """Seconds to wait after `tries` tries without success: doubled each time, spread by a fifth."""
    return min(first * 2 ** min(tries - 1, 20), longest) * random.uniform(0.8, 1.2)


def _envelope(raw: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
