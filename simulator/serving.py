"""Serving and stopping: both simulators listen, work until told to stop, and leave within two seconds."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from aiohttp import web
from django.core.management.base import CommandError

CONTENT_TYPE = "application/json"
CLOSING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def json_answer(content: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type=CONTENT_TYPE, charset="utf-8")


def serve_status(app: web.Application, status: Callable[[], Any]) -> None:
    """GET /status answers the fields of the dataclass that `status` returns."""

    async def answer(request: web.Request) -> web.Response:
        return json_answer(asdict(status()))

    app.router.add_get("/status", answer)


@asynccontextmanager
async def served(app: web.Application, *, listen: Address) -> AsyncIterator[Address]:
    """Serve `app` and yield where; raises CommandError when the address cannot be had."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listen.host, listen.port).start()
        except OSError as error:
            raise CommandError(f"cannot listen on {listen}: {error.strerror or error}") from None
        yield Address(listen.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def run_until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or `stop` is set; what it raises is raised here."""
    task, waiter = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        task.result()
        return
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
