"""`python -m launcher run` for real: everything embedded, the real project, both simulated neighbours."""

import json
import re
import signal
import time
import urllib.request

import pytest

from launcher import ports
from launcher.demo import DAYS, METERS
from tests.launcher.processes import clean_environment, launch, mentioning, wait_for

START_SECONDS = 180
SETTLED_SECONDS = 180


@pytest.fixture
def demo(home):
    numbers = {name: ports.free_port() for name in ("WEB_PORT", "CIS_PORT", "HEADEND_PORT")}
    environment = clean_environment(DAS_STATE_DIR=home / "state", **numbers)
    output = home / "output"
    launcher = launch("run", environment=environment, output=output)
    yield launcher, output, numbers, home / "state"
    launcher.kill()
    launcher.wait()
    wait_for(lambda: mentioning(home) == [])


def counters(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=30) as answer:
        return json.load(answer)


def test_the_demo_delivers_callbacks_and_settles_days(demo):
    launcher, output, numbers, state = demo
    wait_for(lambda: launcher.poll() is not None or "Ctrl-C stops everything." in output.read_text(), START_SECONDS)
    assert launcher.poll() is None, output.read_text()
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        cis, headend = counters(numbers["CIS_PORT"]), counters(numbers["HEADEND_PORT"])
        if headend.get("backfilled") and cis["usage_rows"] >= METERS * (DAYS - 1):
            break
        assert time.monotonic() < deadline, f"{cis} {headend}\n{output.read_text()}"
        time.sleep(0.5)
    assert cis["registered"] == METERS
    assert cis["callbacks"] > 0
    assert cis["bad_signatures"] == 0
    assert headend["refused"] == 0
    assert headend["accepted"] >= METERS
    assert re.search(r"^settlement: \S", output.read_text(), re.MULTILINE)

    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(60) == 0
    assert output.read_text().endswith("Stopped.\n")
    assert mentioning(state) == []
