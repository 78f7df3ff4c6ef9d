"""A small platform on 127.0.0.1 that the simulators talk to: it checks signatures and answers by script."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from protocol.paths import message_path
from protocol.signature import read_credentials, token_matches
from simulator.client import Account, open_platform

ACCOUNT = Account(app_code="peer-1", app_secret="secret-1")
NOW = datetime(2026, 11, 22, 10, 15, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
# How long a test waits for what must happen; nothing waits so long unless it fails.
PATIENCE_SECONDS = 30
CODES = ("1001", "1004", "1005", "1007", "1013", "1014", "1015", "2001", "2002", "2003")


def clock():
    return NOW


@dataclass(frozen=True)
class Post:
    code: str
    raw: bytes

    @property
    def message(self):
        return orjson.loads(self.raw)

    @property
    def serial_no(self):
        return self.message["serialNo"]


def receipt(post):
    return {
        "echoCode": "0000",
        "echoMsg": {"serialNo": post.serial_no, "deviceId": "d", "rdateTime": "20261122101530"},
    }


def refusal(text, code="9999"):
    return {"echoCode": code, "echoMsg": text}


@dataclass
class FakePlatform:
    """`answer(post)` gives an envelope, or an int for a bare HTTP status."""

    answer: Callable
    posts: list[Post] = field(default_factory=list)

    def of(self, code):
        return [post for post in self.posts if post.code == code]

    def _receiver(self, code):
        async def receive(request):
            credentials = read_credentials(
                token=request.headers["AccessToken"], authorization=request.headers["Authorization"]
            )
            assert credentials.app_code == ACCOUNT.app_code
            assert token_matches(credentials, app_secret=ACCOUNT.app_secret)
            assert request.headers["Content-Type"] == "application/json;charset=utf-8"
            post = Post(code, await request.read())
            self.posts.append(post)
            answer = self.answer(post)
            if isinstance(answer, int):
                return web.Response(status=answer)
            return web.json_response(answer)

        return receive

    def application(self):
        app = web.Application()
        for code in CODES:
            app.router.add_post(message_path(code), self._receiver(code))
        return app


@asynccontextmanager
async def running(answer=receipt) -> AsyncIterator[tuple]:
    """(the fake platform, its base URL, a client of it)"""
    fake = FakePlatform(answer)
    server = TestServer(fake.application())
    await server.start_server(access_log=None)
    try:
        url = str(server.make_url("/"))
        async with open_platform(url=url, account=ACCOUNT, clock=clock) as platform:
            yield fake, url, platform
    finally:
        await server.close()
