"""Posting on kept-alive connections: used again while they are good, given up within the bounds when they are not."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from protocol.http_answer import Answer, GarbledAnswer
from protocol.posting import Bounds, CannotConnect, InvalidUrl, Poster, _tls, origin_of

BOUNDS = Bounds(connect_seconds=5, read_seconds=5, total_seconds=5, answer_bytes=64 * 1024)
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOLD = Answer(200, b"ok", "")


class Server:
    """Answers each request by `script`: pieces to write, seconds to wait (float), or None to close."""

    def __init__(self, *script):
        self.script, self.connections = script, 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while await reader.readexactly(len(REQUEST)):
                for step in self.script:
                    if step is None:
                        return
                    if isinstance(step, float):
                        await asyncio.sleep(step)
                    else:
                        writer.write(step)
                        await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(server, *, bounds=BOUNDS):
    """The origin of a server, and a poster."""
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    poster = Poster(bounds)
    try:
        yield ("http", "127.0.0.1", port), poster
    finally:
        poster.close()
        running.close()


def post(server, *, times=1, together=False, **options):
    """What came of each: an answer or an exception."""

    async def work():
        async with serving(server, **options) as (origin, poster):
            if together:
                return await asyncio.gather(
                    *(poster.post(origin, REQUEST) for _ in range(times)), return_exceptions=True
                )
            found = []
            for _ in range(times):
                found += await asyncio.gather(poster.post(origin, REQUEST), return_exceptions=True)
                # The end of a connection is seen in the next turn of the loop.
                await asyncio.sleep(0.01)
            return found

    return asyncio.run(work())


def test_a_connection_is_used_again():
    server = Server(OK)
    assert post(server, times=3) == [TOLD] * 3
    assert server.connections == 1


def test_requests_at_once_have_a_connection_each():
    server = Server(OK)
    assert post(server, times=5, together=True) == [TOLD] * 5
    assert server.connections == 5


@pytest.mark.parametrize(
    "script",
    [
        (OK, None),
        (OK.replace(b"Content", b"Connection: close\r\nContent"),),
        (OK + b"more",),
        (b"HTTP/1.1 200 OK\r\n\r\nok", None),
    ],
)
def test_a_connection_that_has_ended_or_is_in_doubt_is_not_used_again(script):
    server = Server(*script)
    assert post(server, times=3) == [TOLD] * 3
    assert server.connections == 3


def test_an_unasked_answer_ends_the_connection():
    server = Server(OK, 0.002, OK)
    found = post(server, times=2)
    assert found == [TOLD] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ((None,), ConnectionResetError),
        ((OK[:30], None), ConnectionResetError),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", None), ConnectionResetError),
        ((b"garbage\r\n\r\n",), GarbledAnswer),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",), ValueError),
    ],
)
def test_what_is_no_answer_is_an_error_and_the_next_goes_on_another_connection(script, expected):
    server = Server(*script)
    assert [type(failure) for failure in post(server, times=2)] == [expected] * 2
    assert server.connections == 2


def test_a_silence_that_is_too_long_is_given_up():
    bounds = Bounds(connect_seconds=5, read_seconds=0.1, total_seconds=5, answer_bytes=1024)
    assert [type(failure) for failure in post(Server(60.0), bounds=bounds)] == [TimeoutError]
    assert [type(failure) for failure in post(Server(OK[:20], 60.0), bounds=bounds)] == [TimeoutError]


def test_an_answer_that_drips_is_waited_for_until_the_whole_time_is_over():
    dripping = [step for byte in OK for step in (bytes([byte]), 0.05)]
    short = Bounds(connect_seconds=5, read_seconds=5, total_seconds=0.4, answer_bytes=1024)
    assert [type(failure) for failure in post(Server(*dripping), bounds=short)] == [TimeoutError]
    between = Bounds(connect_seconds=5, read_seconds=1, total_seconds=20, answer_bytes=1024)
    assert post(Server(*dripping), bounds=between) == [TOLD]


def test_nobody_listening_is_said_with_the_address():
    async def work():
        poster = Poster(BOUNDS)
        await poster.post(("http", "127.0.0.1", 9), REQUEST)

    with pytest.raises(CannotConnect, match=r"127\.0\.0\.1:9"):
        asyncio.run(work())


def test_https_checks_whom_it_speaks_with():
    async def work():
        async with serving(Server(OK)) as ((_, host, port), poster):
            await poster.post(("https", host, port), REQUEST)

    with pytest.raises(ssl.SSLError):
        asyncio.run(work())
    assert (_tls().verify_mode, _tls().check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("text", ["ftp://127.0.0.1/", "127.0.0.1", "http:///x", ""])
def test_what_cannot_be_posted_to_is_no_origin(text):
    with pytest.raises(InvalidUrl):
        origin_of(URL(text))


def test_an_origin_has_a_port():
    assert origin_of(URL("https://cis.example/a")) == ("https", "cis.example", 443)
    assert origin_of(URL("http://[::1]:8000")) == ("http", "::1", 8000)
