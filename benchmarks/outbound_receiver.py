"""A CIS that answers every message after --delay milliseconds: python -m benchmarks.outbound_receiver --port P."""

import argparse
import asyncio

from aiohttp import web

ANSWER = b'{"echoCode": "0000", "valvecontrol": "2", "currentprice": "2.5", "remainquantity": "10"}'


def application(delay: float) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        if delay:
            await asyncio.sleep(delay)
        return web.Response(body=ANSWER, content_type="application/json")

    made = web.Application()
    made.router.add_post("/{path:.*}", take)
    return made


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--delay", type=int, default=0)
    chosen = options.parse_args()
    loop = asyncio.new_event_loop()
    try:
        import uvloop

        loop = uvloop.new_event_loop()
    except ImportError:
        pass
    web.run_app(
        application(chosen.delay / 1000),
        host="127.0.0.1",
        port=chosen.port,
        loop=loop,
        print=None,
        access_log=None,
    )


if __name__ == "__main__":
    main()
