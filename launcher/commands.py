"""Commands in the foreground of the terminal, with a database and a broker around them."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from launcher import services
from launcher.configuration import PROJECT, Configuration
from launcher.ending import Target, end
from launcher.errors import LauncherError, StartRefused
from launcher.instance import development_defaults, places
from launcher.lock import AlreadyRunning, InstanceLock
from launcher.state import StateDirectory, place
from launcher.stopping import StopRequest
from launcher.supervisor import Supervisor
from launcher.watch import Guard

BOOT_SECONDS = 30.0


def with_services(command: Sequence[str], *, durable: bool = False) -> int:
    """Run a command on throw-away services; `durable` ones flush to disk as in production.

    Only the process environment counts here: `.env` may name servers that tests must not touch.
    """
    configuration = Configuration(os.environ)
    stop = StopRequest().listen()
    with Guard() as guard, services.stopped_at_the_end(_silent_supervisor(guard, stop)) as supervisor:
        ours = services.start(services.ephemeral(configuration, guard, durable=durable), supervisor)
        for name, value in {"DEBUG": "true", "SECRET_KEY": secrets.token_urlsafe(48)}.items():
            if not configuration.get(name):
                ours[name] = value
        return foreground(command, {**configuration.environment, **ours}, guard, stop)


def manage(arguments: Sequence[str]) -> int:
    """Run manage.py on the lasting services: those that are running, else their own for the time it takes."""
    configuration = Configuration.read()
    state = StateDirectory(place(configuration))
    state.prepare()
    stop = StopRequest().listen()
    command = [sys.executable, "manage.py", *arguments]
    try:
        with InstanceLock(state.lock, "manage") as lock, Guard(held=(lock.fd,)) as guard:
            return _manage_alone(command, configuration, state, guard, stop)
    except AlreadyRunning as refusal:
        ours = _running_environment(state, refusal)
    with Guard() as guard:
        return foreground(command, {**configuration.environment, **ours}, guard, stop)


def foreground(command: Sequence[str], environment: Mapping[str, str], guard: Guard, stop: StopRequest) -> int:
    """Run it in our terminal, sharing Ctrl-C; other stop signals are passed on. Answers its exit status."""
    try:
        process = subprocess.Popen(command, cwd=PROJECT, env=dict(environment))  # noqa: S603  (the user's command)
    except OSError as error:
        raise LauncherError(f"cannot run {command[0]}: {error.strerror}") from error
    target = Target(process.pid, tree=True)
    guard.watch(target)
    try:
        _wait(process, stop)
    finally:
        if process.poll() is None:
            end(target)
            process.wait()
        guard.release(process.pid)
    return 128 - process.returncode if process.returncode < 0 else process.returncode


def _wait(process: subprocess.Popen[bytes], stop: StopRequest) -> None:
    """Until the command has ended, or has had its time to do so after SIGTERM or a closed terminal."""
    while process.poll() is None and not set(stop.signals) - {signal.SIGINT}:
        time.sleep(0.02)


def _manage_alone(
    command: Sequence[str],
    configuration: Configuration,
    state: StateDirectory,
    guard: Guard,
    stop: StopRequest,
) -> int:
    with services.stopped_at_the_end(_silent_supervisor(guard, stop)) as supervisor:
        ours = services.start(services.lasting(configuration, state, guard), supervisor)
        ours |= places(configuration, state) | development_defaults(configuration, state)
        state.publish_services({"pid": os.getpid(), "environment": ours})
        try:
            return foreground(command, {**configuration.environment, **ours}, guard, stop)
        finally:
            state.withdraw_services()


def _running_environment(state: StateDirectory, refusal: AlreadyRunning) -> dict[str, str]:
    """What the running launcher gave to its processes; it may still be starting its services."""
    deadline = time.monotonic() + BOOT_SECONDS
    while (content := state.running_services()) is None:
        if time.monotonic() > deadline:
            raise StartRefused(f"{refusal} Its services did not come up within {BOOT_SECONDS:.0f} s.")
        time.sleep(0.1)
    return dict(content["environment"])


def _silent_supervisor(guard: Guard, stop: StopRequest) -> Supervisor:
    return Supervisor(guard, stop, lambda text: print(text, file=sys.stderr))
