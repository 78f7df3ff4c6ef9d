import json
import os
import subprocess
import sys
import time

import pytest

from launcher.configuration import PROJECT
from launcher.lock import AlreadyRunning, InstanceLock
from tests.launcher.processes import wait_for

HOLD = (
    "import time; from launcher.lock import InstanceLock; from pathlib import Path\n"
    "with InstanceLock(Path({path!r}), 'run'): time.sleep(60)"
)
# The child inherits the lock and outlives its parent, as the guard of a killed launcher does, until its input ends.
LEAVE = (
    "import os, subprocess; from launcher.lock import InstanceLock; from pathlib import Path\n"
    "with InstanceLock(Path({path!r}), 'run') as lock:\n"
    "    subprocess.Popen(['cat'], pass_fds=(lock.fd,)); os._exit(0)"
)


def python(code, *words):
    return subprocess.Popen([sys.executable, "-c", code, *words], cwd=PROJECT, stdin=subprocess.PIPE)


def test_a_second_launcher_is_refused_and_told_who_is_running(tmp_path):
    path = tmp_path / "lock"
    holder = python(HOLD.format(path=str(path)), "launcher")
    try:
        wait_for(lambda: path.exists() and path.read_text())
        with pytest.raises(AlreadyRunning) as refusal, InstanceLock(path, "run"):
            pass
    finally:
        holder.kill()
        holder.wait()
    assert str(refusal.value) == (
        f"already running: process {holder.pid} (`run`) uses {tmp_path}. "
        "Stop it first, or give this one its own DAS_STATE_DIR and ports."
    )
    assert refusal.value.status == 2


def test_after_a_crash_it_waits_for_the_clean_up(tmp_path, monkeypatch):
    path, waited, sleep = tmp_path / "lock", [], time.sleep
    crashed = python(LEAVE.format(path=str(path)))
    crashed.wait(20)

    def wait(seconds):
        waited.append(seconds)
        crashed.stdin.close()
        sleep(seconds)

    monkeypatch.setattr("launcher.lock.time.sleep", wait)
    with InstanceLock(path, "run"):
        assert waited
        assert json.loads(path.read_text()) == {"pid": os.getpid(), "command": "run"}


def test_it_can_be_taken_again(tmp_path):
    for _ in range(2):
        with InstanceLock(tmp_path / "lock", "run"):
            pass
