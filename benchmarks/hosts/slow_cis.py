"""A CIS that takes its time, and remembers from where each message came: python -m benchmarks.hosts.slow_cis

POST anything: remembered on arrival, answered after the delay. GET /count: how many. GET /arrivals: all of them, as
[serial, meter, number, caller, seconds]; `number` is the readNum, which counts up per meter here.
POST /forget: begin anew.
"""

import argparse
import asyncio
import time
from typing import Any

import orjson
import uvloop
from aiohttp import web

Arrival = tuple[str, str, float, str, float]


class SlowCis:
    def __init__(self, delay_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self.arrivals: list[Arrival] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/count", self.count)
        app.router.add_get("/arrivals", self.show)
        app.router.add_post("/forget", self.forget)
        app.router.add_post("/{path:.*}", self.take)
        return app

    async def take(self, request: web.Request) -> web.Response:
        message = orjson.loads(await request.read())
        caller = str(request.remote)
        number = float(message.get("readNum") or 0)
        self.arrivals.append((message["serialNo"], message.get("meterNo", ""), number, caller, time.time()))
        await asyncio.sleep(self.delay_seconds)
        return _json({"echoCode": "0000", "serialNo": message["serialNo"], "valvecontrol": "2"})

    async def count(self, request: web.Request) -> web.Response:
        return _json(len(self.arrivals))

    async def show(self, request: web.Request) -> web.Response:
        return _json(self.arrivals)

    async def forget(self, request: web.Request) -> web.Response:
        self.arrivals.clear()
        return _json(0)


def _json(content: Any) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/json")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before each answer")
    options = parser.parse_args()
    uvloop.install()
    web.run_app(SlowCis(options.delay).application(), host=options.host, port=options.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
