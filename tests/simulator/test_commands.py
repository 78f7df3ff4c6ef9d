"""Both commands as a user runs them; the platform is a thread of this process."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.simulator.fake_platform import ACCOUNT, PATIENCE_SECONDS, receipt, running
from tests.simulator.test_cis import well

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    for name in ("CIS_APP_SECRET", "HEADEND_APP_SECRET"):
        monkeypatch.setenv(name, ACCOUNT.app_secret)


@pytest.fixture
def platform():
    """(base URL, list of posts) of a platform that takes everything."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()
    seen: list[Any] = []

    async def serve():
        async with running(lambda post: receipt(post) if post.code == "2001" else well(post)) as (fake, url, _):
            seen.extend((url, fake.posts))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(PATIENCE_SECONDS)
    yield seen
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def run(command, platform, *options):
    out = StringIO()
    call_command(command, "--platform", platform[0], "--app-code", ACCOUNT.app_code, *options, stdout=out)
    return out.getvalue()


def test_once_prints_the_status_as_json(platform):
    printed = run("simulate_cis", platform, "--once", "--meters", "2")
    assert json.loads(printed) == {
        "registered": 2,
        "callbacks": 0,
        "duplicates": 0,
        "bad_signatures": 0,
        "readings_rows": 3,
        "usage_rows": 4,
        "queries": 4,
        "errors": 0,
        "last_error": "",
        "commands": 0,
        "recharges": 0,
        "cancellations": 0,
        "results": 0,
        "alarms": 0,
    }


def test_once_fails_when_the_platform_is_not_there():
    out = StringIO()
    options = ["--platform", "http://127.0.0.1:1", "--app-code", "peer-1", "--once", "--wait", "0.01"]
    with pytest.raises(CommandError, match=r"^1007 民用阶梯: ClientConnectorError: Cannot connect") as failed:
        call_command("simulate_cis", *options, stdout=out)
    assert failed.value.returncode == 1
    assert json.loads(out.getvalue())["errors"] == 1


def test_a_counted_run_ends_with_a_summary(platform):
    listen = ["--listen", "127.0.0.1:0"]
    printed = run("simulate_headend", platform, *listen, "--meters", "3", "--count", "6", "--rate", "500")
    first, last = printed.splitlines()
    assert first.startswith("Head-end simulator: listening on http://127.0.0.1:")
    assert first.endswith(f", platform {platform[0]}")
    assert last == (
        "Head-end simulator: 3 meters, 9 reports sent, 9 accepted, 0 refused, 0 retried, backfilled: yes"
        "; 0 commands, 0 executed, 0 repeated, 0 results, 0 alarms"
    )
    assert len(platform[1]) == 9


def test_alarms_are_in_the_summary(platform):
    mishaps = [f"--{name}-rate=0.5" for name in ("sleep", "refuse", "fail", "lose", "duplicate")]
    options = ["--listen", "127.0.0.1:0", "--meters", "3", "--days", "0", "--count", "3", "--rate", "500", *mishaps]
    printed = run("simulate_headend", platform, *options, "--alarm-rate", "1", "--execute-delay", "0")
    assert printed.endswith("; 0 commands, 0 executed, 0 repeated, 0 results, 3 alarms\n")
    assert [post.code for post in platform[1]].count("2003") == 3


@pytest.mark.parametrize("command", ["simulate_cis", "simulate_headend"])
def test_a_busy_port_is_told_in_one_line(command, platform):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CommandError) as failed:
            run(command, platform, "--listen", listen)
    text = str(failed.value)
    assert text.startswith(f"cannot listen on {listen}: ")
    assert "address already in use" in text
    assert "\n" not in text
    assert platform[1] == []


@pytest.mark.parametrize("command", ["simulate_cis", "simulate_headend"])
def test_a_missing_secret_is_told(command, platform, monkeypatch):
    name = {"simulate_cis": "CIS_APP_SECRET", "simulate_headend": "HEADEND_APP_SECRET"}[command]
    monkeypatch.delenv(name)
    with pytest.raises(CommandError, match=f"^set {name} to the appSecret of peer-1$"):
        run(command, platform)


def status_of(url):
    try:
        with urllib.request.urlopen(f"{url}/status", timeout=2) as answer:
            return json.load(answer)
    except urllib.error.URLError:
        return {}


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("command", "stop", "ready", "summary"),
    [
        (
            "simulate_cis",
            signal.SIGINT,
            {"registered": 2, "queries": 4, "usage_rows": 4, "errors": 0},
            "CIS simulator: 2 meters registered, 0 callbacks, 0 duplicates, 0 bad signatures, 4 queries, "
            "3 readings, 4 usage rows, 0 errors; 0 commands, 0 recharges, 0 cancellations, 0 results, 0 alarms",
        ),
        (
            "simulate_headend",
            signal.SIGTERM,
            {"sent": 2, "accepted": 2, "refused": 0, "retried": 0, "backfilled": True, "meters": 2},
            "Head-end simulator: 2 meters, 2 reports sent, 2 accepted, 0 refused, 0 retried, backfilled: yes; "
            "0 commands, 0 executed, 0 repeated, 0 results, 0 alarms",
        ),
    ],
)
def test_works_until_a_signal_and_leaves_quickly(platform, command, stop, ready, summary):
    options = ["--platform", platform[0], "--app-code", "peer-1", "--listen", "127.0.0.1:0", "--meters", "2"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", command, *options, "--interval", "3600"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip(",")
        wait_for(lambda: status_of(url).items() >= ready.items())
        process.send_signal(stop)
        # Long before its next round in an hour.
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
        assert output == f"{summary}\n"
    finally:
        process.kill()
        process.wait()


def test_the_cis_orders_at_its_rates(platform):
    options = ["--platform", platform[0], "--app-code", "peer-1", "--listen", "127.0.0.1:0", "--meters", "2"]
    rates = ["--command-rate", "1200", "--recharge-rate", "1200", "--cancel-rate", "1"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "simulate_cis", *options, *rates],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip(",")
        counters = ("commands", "recharges", "cancellations")
        wait_for(lambda: all(status_of(url).get(name) for name in counters))
        assert status_of(url)["errors"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()
