"""In the place of Django's manage.py, of granian and of celery: copied under these names into a test's checkout.

Every role tells a file when it starts and when it is asked to end. Some answer HTTP meanwhile.
"""

import http.server
import json
import os
import signal
import sys
import threading
from pathlib import Path

CIS = {"registered": 20, "callbacks": 140, "usage_rows": 120}
HEADEND = {"sent": 141, "accepted": 140, "refused": 1, "backfilled": True}


def note(text):
    with open(os.environ["EVENTS"], "a", encoding="utf-8") as file:
        file.write(text + "\n")


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


def wait(name):
    def leave(*_):
        note(f"end {name}")
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    note(f"start {name}")
    threading.Event().wait()


def serve(name, host, port, counters):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(counters).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wait(name)


def simulate(name, counters):
    assert os.environ[f"{name.upper()}_APP_SECRET"] == os.environ[f"DEMO_{name.upper()}_APP_SECRET"]
    host, port = option("--listen").split(":")
    serve(name, host, port, counters)


def check():
    print(os.environ["DATABASE_URL"], os.environ["CELERY_BROKER_URL"], os.environ.get("DEBUG"), *sys.argv[2:])


def manage():
    if os.environ.get("FAIL_AT") == sys.argv[1]:
        sys.exit("Traceback ...\n" + os.environ["FAIL_WITH"])
    note(f"run {sys.argv[1]}")
    commands = {
        "migrate": lambda: print("migrated"),
        "load_demo": lambda: print("loaded"),
        "settle": lambda: print("120 days settled"),
        "environment": lambda: print(json.dumps(dict(os.environ))),
        "fail": lambda: sys.exit(7),
        "check": check,
        "send": lambda: wait("sender"),
        "simulate_cis": lambda: simulate("cis", CIS),
        "simulate_headend": lambda: simulate("headend", HEADEND),
    }
    commands[sys.argv[1]]()


if __name__ == "__main__":
    match Path(__file__).parent.name:
        case "granian":
            serve("web", option("--host"), option("--port"), {"status": "ok"})
        case "celery":
            wait(sys.argv[3])
        case _:
            manage()
