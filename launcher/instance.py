"""One running system: what `make run` (with the demo) and `make serve` (without) start, watch and stop."""

import os
import secrets
import time
from collections.abc import Mapping
from functools import partial

from launcher import demo, processes, services, status
from launcher.configuration import LOCAL, Configuration
from launcher.console import Console
from launcher.errors import StopRequested
from launcher.lock import InstanceLock
from launcher.ports import require_free
from launcher.state import StateDirectory, place
from launcher.steps import Step
from launcher.stopping import StopRequest
from launcher.supervisor import Supervisor
from launcher.watch import Guard

READY_SECONDS = 60.0
STATUS_SECONDS = 1.0


def run(*, with_demo: bool) -> int:
    stop = StopRequest().listen()
    configuration = Configuration.read()
    state = StateDirectory(place(configuration))
    state.prepare()
    console = Console(every=10.0 if with_demo else 300.0)
    with InstanceLock(state.lock, "run" if with_demo else "serve") as lock:
        require_free(listeners(configuration, with_demo=with_demo))
        state.rotate_logs()
        with Guard(held=(lock.fd,)) as guard:
            _run(Instance(configuration, state, guard, stop, console), with_demo=with_demo)
            console.say("Stopped.")
    return 0


def listeners(configuration: Configuration, *, with_demo: bool) -> dict[str, tuple[str, int]]:
    found = {"WEB_PORT": (configuration.web_host, configuration.web_port)}
    if with_demo:
        found["CIS_PORT"] = (LOCAL, configuration.cis_port)
        found["HEADEND_PORT"] = (LOCAL, configuration.headend_port)
    return found


def places(configuration: Configuration, state: StateDirectory) -> dict[str, str]:
    """One directory for the exports that the worker writes and the web process hands out, beside the other data."""
    return {} if configuration.get("EXPORT_DIR") else {"EXPORT_DIR": str(state.path / "exports")}


def development_defaults(configuration: Configuration, state: StateDirectory) -> dict[str, str]:
    """What a checkout without any configuration needs to start."""
    defaults = {"DEBUG": "true"}
    if not configuration.get("SECRET_KEY"):
        defaults["SECRET_KEY"] = state.secret("secret-key", lambda: secrets.token_urlsafe(48))
    return {name: value for name, value in defaults.items() if not configuration.get(name)}


def _run(instance: "Instance", *, with_demo: bool) -> None:
    try:
        instance.start(with_demo=with_demo)
        instance.attend()
    except StopRequested:
        pass
    finally:
        instance.stop()


class Instance:
    def __init__(
        self,
        configuration: Configuration,
        state: StateDirectory,
        guard: Guard,
        stop: StopRequest,
        console: Console,
    ) -> None:
        self._configuration = configuration
        self._state = state
        self._guard = guard
        self._stop = stop
        self._console = console
        self._supervisor = Supervisor(guard, stop, console.say)
        self._environment: Mapping[str, str] = configuration.environment
        self._settlement: demo.FirstSettlement | None = None
        self._began = time.monotonic()

    def start(self, *, with_demo: bool) -> None:
        self._start_services(with_demo=with_demo)
        self._step("migrate", "--noinput")
        if with_demo:
            self._step("load_demo")
        table = processes.ProcessTable(self._configuration, self._state, self._environment)
        web = self._supervisor.start(table.program(processes.WEB))
        self._supervisor.wait_ready(web, partial(status.web_alive, self._configuration.web_url), READY_SECONDS)
        for row in processes.BACKGROUND:
            self._supervisor.start(table.program(row))
        if with_demo:
            self._start_neighbours(table)
        self._announce(with_demo=with_demo)

    def attend(self) -> None:
        """Until somebody asks to stop."""
        next_status = 0.0
        while not self._stop:
            self._supervisor.attend()
            if time.monotonic() >= next_status:
                next_status = time.monotonic() + STATUS_SECONDS
                self._report()
            self._stop.pause(0.2)

    def stop(self) -> None:
        self._console.leave_status()
        if self._stop:
            self._console.say("Stopping (Ctrl-C again to be quick about it) ...")
        if self._settlement:
            self._settlement.cancel()
        self._supervisor.stop()
        self._state.withdraw_services()

    def _start_services(self, *, with_demo: bool) -> None:
        servers = services.lasting(self._configuration, self._state, self._guard)
        ours = services.start(servers, self._supervisor)
        ours |= places(self._configuration, self._state)
        if with_demo:
            ours |= development_defaults(self._configuration, self._state)
        self._state.publish_services({"pid": os.getpid(), "web": self._configuration.web_url, "environment": ours})
        self._environment = {**self._configuration.environment, **ours, "PYTHONUNBUFFERED": "1"}
        if with_demo:
            self._environment |= demo.environment(self._configuration, self._state)
        for server in servers:
            self._console.say(f"{server.name:<9} {server.description}")

    def _start_neighbours(self, table: processes.ProcessTable) -> None:
        children = [self._supervisor.start(table.program(row)) for row in processes.NEIGHBOURS]
        for child, url in zip(children, self._neighbour_urls(), strict=True):
            self._supervisor.wait_ready(child, partial(status.reports, url), READY_SECONDS)
        self._settlement = demo.FirstSettlement(self._begin_settlement, self._console.say)

    def _neighbour_urls(self) -> tuple[str, str]:
        ports = self._configuration.cis_port, self._configuration.headend_port
        return f"http://{LOCAL}:{ports[0]}", f"http://{LOCAL}:{ports[1]}"

    def _step(self, name: str, *arguments: str) -> None:
        Step(name, [name, *arguments], self._environment, self._state, self._guard).wait(self._stop)

    def _begin_settlement(self) -> Step:
        return Step("settle", ["settle"], self._environment, self._state, self._guard)

    def _announce(self, *, with_demo: bool) -> None:
        say, address = self._console.say, self._configuration.web_url
        say(f"logs      {self._state.logs}")
        say(f"web       {address}/admin/")
        if with_demo:
            say(f"login     {demo.LOGIN} / {self._environment['DEMO_PASSWORD']}")
            cis, headend = self._neighbour_urls()
            say(f"CIS       {cis}/status (simulated)")
            say(f"head-end  {headend}/status (simulated)")
        say(f"Ready after {time.monotonic() - self._began:.1f} s. Ctrl-C stops everything.")

    def _report(self) -> None:
        parts = [f"serving {self._configuration.web_url}"]
        if self._settlement:
            cis, headend = map(status.report, self._neighbour_urls())
            self._settlement.attend(cis, headend)
            parts = status.demo_line(cis, headend)
        self._console.status(status.line(parts, self._supervisor.down(), time.monotonic() - self._began))
