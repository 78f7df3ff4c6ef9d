import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from launcher import spawning
from launcher.ending import POLITE, is_gone
from launcher.errors import LauncherError, StopRequested
from launcher.supervisor import Supervisor
from tests.launcher.processes import wait_for

SLEEP = "import time; time.sleep(60)"
WITH_CHILD = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
SAY_GOODBYE = (
    "import signal, sys, time\n"
    "def goodbye(*_):\n"
    "    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); sys.exit()\n"
    "signal.signal(signal.SIGTERM, goodbye); print('listening', flush=True); time.sleep(60)"
)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@dataclass
class Standin:
    """A small Python program in the place of a real one."""

    name: str
    code: str
    log: Path
    words: tuple = ()
    signals: tuple = POLITE

    def spawn(self):
        command = [sys.executable, "-c", self.code, *self.words]
        return spawning.spawn(command, log=self.log, directory=self.log.parent, environment=os.environ)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def said():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def supervisor(guard, stop, said, clock):
    found = Supervisor(guard, stop, said.append, clock)
    yield found
    found.stop()


@pytest.fixture
def standin(tmp_path):
    return lambda name, code=SLEEP, *words, **more: Standin(name, code, tmp_path / f"{name}.log", words, **more)


def printed(program):
    return wait_for(lambda: program.log.exists() and program.log.read_text().strip())


def attend_until(supervisor, condition):
    def look():
        supervisor.attend()
        return condition()

    return wait_for(look)


def test_a_killed_child_is_started_again_after_a_second(supervisor, standin, said, clock):
    child = supervisor.start(standin("web"))
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    attend_until(supervisor, lambda: supervisor.down() == ["web"])
    assert said == [f"web ended (killed by signal 9); starting it again in 1 s; log: {child.program.log}"]
    clock.now = 0.9
    supervisor.attend()
    assert supervisor.down() == ["web"]
    clock.now = 1.0
    supervisor.attend()
    assert supervisor.down() == []
    assert said[1:] == ["web started again"]
    assert child.process.pid != first
    assert child.process.poll() is None


def test_who_dies_again_and_again_waits_longer_each_time_up_to_half_a_minute(supervisor, standin, said, clock):
    child = supervisor.start(standin("web", "raise SystemExit(3)"))
    delays = []
    for _ in range(7):
        attend_until(supervisor, lambda: supervisor.down() == ["web"])
        delays.append(child.due - clock.now)
        clock.now = child.due
        supervisor.attend()
    assert delays == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert said[0].startswith("web ended (exit status 3); starting it again in 1 s")


def test_who_ran_for_long_starts_again_quickly(supervisor, standin, clock):
    child = supervisor.start(standin("web", "raise SystemExit(3)"))
    attend_until(supervisor, lambda: supervisor.down() == ["web"])
    child.failures = 5
    clock.now = child.due
    child.program.code = SLEEP
    supervisor.attend()
    clock.now += 61
    child.process.kill()
    attend_until(supervisor, lambda: supervisor.down() == ["web"])
    assert child.due - clock.now == 1.0


def test_what_a_killed_child_leaves_behind_is_ended_too(supervisor, standin):
    child = supervisor.start(standin("web", WITH_CHILD))
    left = psutil.Process(int(printed(child.program)))
    os.kill(child.process.pid, signal.SIGKILL)
    attend_until(supervisor, lambda: supervisor.down() == ["web"])
    wait_for(lambda: is_gone(left))


def test_a_program_that_cannot_be_started_is_tried_again(supervisor, standin, said, clock):
    child = supervisor.start(standin("web"))
    child.process.kill()
    attend_until(supervisor, lambda: supervisor.down() == ["web"])
    child.program.spawn = lambda: spawning.spawn(
        ["/no/such/program"], log=child.program.log, directory=Path("/"), environment={}
    )
    clock.now = 1.0
    supervisor.attend()
    assert supervisor.down() == ["web"]
    assert said[1].startswith("web ended (could not start: ")
    assert "starting it again in 2 s" in said[1]


def test_last_started_is_stopped_first(supervisor, standin, tmp_path):
    goodbyes = tmp_path / "goodbyes"
    for name in ("database", "web", "worker"):
        child = supervisor.start(standin(name, SAY_GOODBYE, str(goodbyes), name))
        printed(child.program)
    supervisor.stop()
    assert goodbyes.read_text().split() == ["worker", "web", "database"]


def test_whoever_does_not_listen_is_killed(supervisor, standin):
    child = supervisor.start(standin("web", STUBBORN, signals=((signal.SIGTERM, 0.1),)))
    printed(child.program)
    supervisor.stop()
    assert child.process.returncode == -signal.SIGKILL


def test_a_second_ctrl_c_does_not_wait(supervisor, standin, stop):
    child = supervisor.start(standin("web", STUBBORN, signals=((signal.SIGTERM, 60.0),)))
    printed(child.program)
    stop.signals += [signal.SIGINT, signal.SIGINT]
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 60
    assert child.process.returncode == -signal.SIGKILL


def test_a_program_that_does_not_become_ready_is_quoted(supervisor, standin):
    child = supervisor.start(standin("web", "print('no such table'); raise SystemExit(3)"))
    with pytest.raises(LauncherError) as error:
        supervisor.wait_ready(child, lambda: False, 10)
    assert str(error.value) == (
        f"web did not become ready (exit status 3); the end of {child.program.log}:\n    no such table"
    )


def test_waiting_for_readiness_has_an_end(supervisor, standin, clock):
    child = supervisor.start(standin("web"))

    def not_ready():
        clock.now += 4
        return False

    with pytest.raises(LauncherError, match=r"web did not become ready \(no answer within 10 s\)"):
        supervisor.wait_ready(child, not_ready, 10)


def test_ctrl_c_ends_the_waiting(supervisor, standin, stop):
    child = supervisor.start(standin("web"))
    stop.signals.append(signal.SIGINT)
    with pytest.raises(StopRequested):
        supervisor.wait_ready(child, lambda: False, 10)


def test_a_terminal_s_ctrl_c_does_not_reach_the_children(supervisor, standin):
    child = supervisor.start(standin("web"))
    assert os.getsid(child.process.pid) == child.process.pid != os.getsid(0)
    assert os.getpgid(child.process.pid) == child.process.pid


def test_children_inherit_no_open_file(supervisor, standin):
    """An inherited end of the guard's pipe would keep it from noticing the launcher's death."""
    child = supervisor.start(standin("web", "print('up', flush=True); " + SLEEP))
    printed(child.program)
    assert psutil.Process(child.process.pid).num_fds() == 3
