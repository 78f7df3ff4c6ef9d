"""A peer's server for tests of delivery: real HTTP on 127.0.0.1, answering as it is told."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Receiver:
    """`answer` gets each request and returns (status, headers, body bytes); `received` keeps them in order."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Callable[[Received], tuple[int, dict[str, str], bytes]] = lambda request: success(request)

    def serials(self) -> list[str]:
        return [request.body["serialNo"] for request in self.received]


def success(request: Received, **fields: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"echoCode": "0000", **fields}).encode()


def echo(code: str, *, status: int = 200) -> Callable[[Received], tuple[int, dict[str, str], bytes]]:
    return lambda request: (status, {}, json.dumps({"echoCode": code, "echoMsg": "x"}).encode())


@contextmanager
def receiving():
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = Received(self.path, dict(self.headers), body)
            receiver.received.append(request)
            status, headers, content = receiver.answer(request)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def slowly(seconds: float) -> Callable[[Received], tuple[int, dict[str, str], bytes]]:
    def answer(request: Received) -> tuple[int, dict[str, str], bytes]:
        time.sleep(seconds)
        return success(request)

    return answer
