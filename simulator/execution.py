"""The virtual meters as they obey: each command is executed once, after a while, or when a sleeping meter wakes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from protocol.errors import Refused
from protocol.wire import long_time
from simulator.client import Clock
from simulator.draws import happens
from simulator.headend_plan import HeadEndPlan, HeadEndStatus
from simulator.reports import VALVE_CLOSED, VALVE_OPEN

VALVE, RECHARGE, VALVE_CONTROL = "valve", "recharge", "valvecontrol"
OPEN, CLOSE = "open", "close"
VALVE_CONTROLS = {"0": OPEN, "1": CLOSE, "3": CLOSE}
METER_UNKNOWN = "表具不存在"


class Progress(Enum):
    WAITING = "waiting"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Command:
    """One 1004. `what` is what the meter is to do: "open", "close", or the data of a recharge."""

    serial_no: str
    meter_no: str
    kind: str
    what: str | dict[str, str]
    order: dict[str, str]
    progress: Progress = Progress.WAITING


@dataclass(frozen=True, slots=True)
class Execution:
    """What a meter did and when, as GET /executions shows it; without serial when a 2001 answer asked for it."""

    sendSerialNo: str
    kind: str
    what: str | dict[str, str]
    at: str


@dataclass
class Field:
    """All meters out there. `tell` is called with each command that is done, and whether it succeeded."""

    plan: HeadEndPlan
    clock: Clock
    status: HeadEndStatus
    known: set[str]
    tell: Callable[[Command, bool], None]
    commands: dict[str, Command] = field(default_factory=dict)
    executions: dict[str, list[Execution]] = field(default_factory=dict)
    _closed: set[str] = field(default_factory=set)
    _asleep: dict[str, list[Command]] = field(default_factory=dict)

    def valve_state(self, meter_no: str) -> str:
        return VALVE_CLOSED if meter_no in self._closed else VALVE_OPEN

    def check_known(self, meter_no: str) -> None:
        if meter_no not in self.known:
            raise Refused(METER_UNKNOWN)

    def accept(self, command: Command) -> None:
        """Take a command in, to be executed once."""
        self.commands[command.serial_no] = command
        self.status.commands += 1
        if happens("sleep", self.plan.seed, command.meter_no, rate=self.plan.sleep_rate):
            self._asleep.setdefault(command.meter_no, []).append(command)
        else:
            asyncio.get_running_loop().call_later(self.plan.execute_delay, self._execute, command)

    def cancel(self, *, serial_no: str, meter_no: str) -> None:
        """Raises Refused when there is no such command of this meter, or when it is too late."""
        command = self.commands.get(serial_no)
        if command is None or command.meter_no != meter_no:
            raise Refused("指令不存在")
        if command.progress is Progress.DONE:
            raise Refused("指令已执行")
        command.progress = Progress.CANCELLED

    def attend(self, meter_no: str, valve_control: Any) -> None:
        """The meter is in touch: it obeys the answer to its report, then does what waited for it."""
        what = VALVE_CONTROLS.get(str(valve_control))
        if what and (what == CLOSE) != (meter_no in self._closed):
            self._do(meter_no, Execution("", VALVE_CONTROL, what, long_time(self.clock())))
        for command in self._asleep.pop(meter_no, ()):
            self._execute(command)

    def _execute(self, command: Command) -> None:
        if command.progress is not Progress.WAITING:
            return
        command.progress = Progress.DONE
        succeeded = not happens("fail", self.plan.seed, command.serial_no, rate=self.plan.fail_rate)
        if succeeded:
            at = long_time(self.clock())
            self._do(command.meter_no, Execution(command.serial_no, command.kind, command.what, at))
        self.tell(command, succeeded)

    def _do(self, meter_no: str, execution: Execution) -> None:
        self.status.executed += 1
        self.executions.setdefault(meter_no, []).append(execution)
        if execution.what == CLOSE:
            self._closed.add(meter_no)
        if execution.what == OPEN:
            self._closed.discard(meter_no)
