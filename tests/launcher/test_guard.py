import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from launcher import directories
from launcher.configuration import PROJECT
from launcher.ending import Target, is_gone
from launcher.watch import Guard
from tests.launcher.processes import clean_environment, launch, wait_for

REPORT = "import os, time; print(os.environ['CELERY_BROKER_URL'], flush=True); time.sleep(60)"
LEADER_WITH_CHILD = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"


def leader():
    process = subprocess.Popen([sys.executable, "-c", LEADER_WITH_CHILD], start_new_session=True)
    wait_for(lambda: psutil.Process(process.pid).children())
    return psutil.Process(process.pid)


def test_everything_is_gone_when_the_launcher_is_killed(tmp_path):
    output = tmp_path / "output"
    launcher = launch(
        "with-services", "--", sys.executable, "-c", REPORT, environment=clean_environment(), output=output
    )
    wait_for(lambda: "redis+socket" in output.read_text())
    family = psutil.Process(launcher.pid).children(recursive=True)
    # Of its own children: processes of the database come and go with connections.
    own = {process.name(): process for process in psutil.Process(launcher.pid).children()}
    socket = Path(output.read_text().split("redis+socket://")[1].split("?")[0])
    data = own["postgres"].cwd()
    assert "valkey-server" in own
    launcher.kill()
    launcher.wait()
    wait_for(lambda: all(is_gone(process) for process in family))
    assert not socket.parent.exists()
    assert not Path(data).parent.exists()


def test_a_group_is_ended_whole_and_what_was_released_stays():
    watched, released = leader(), leader()
    child = watched.children()[0]
    with Guard() as guard:
        guard.watch(Target(watched.pid))
        guard.watch(Target(released.pid))
        guard.release(released.pid)
    assert is_gone(watched)
    assert is_gone(child)
    assert not is_gone(released)
    os.killpg(released.pid, signal.SIGKILL)


def test_a_killed_guard_is_replaced_and_knows_everything():
    watched = leader()
    scratch = directories.scratch(Path("/tmp"))
    with Guard() as guard:
        guard.watch(Target(watched.pid))
        guard.discard_at_the_end(scratch)
        first = guard._process
        first.kill()
        first.wait()
        guard.ensure()
        assert guard._process.pid != first.pid
    assert is_gone(watched)
    assert not scratch.exists()


def test_only_our_own_temporary_directories_are_removed(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    directories.discard(precious)
    assert precious.is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_signals_of_the_terminal_leave_the_guard_alone():
    with Guard() as guard:
        guard.watch(Target(2**22 - 3))
        pid = guard._process.pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            wait_for(lambda number=number: _ignored(pid, number))
        assert os.getsid(pid) == pid


def _ignored(pid, number):
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1], 16)
    return bool(mask >> (number - 1) & 1)


def test_the_guard_imports_little():
    """It must start quickly, and survive whatever breaks the rest."""
    code = "import sys, launcher.guard; print({'psycopg', 'environ', 'django'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
