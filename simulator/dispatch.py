"""What the simulated CIS orders: valve commands and recharges (1004) at a steady rate, some cancelled (1005)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from protocol.errors import EchoCode
from protocol.wire import compact_time, long_time
from simulator.cis import Cis
from simulator.client import new_serial
from simulator.draws import draw, happens
from simulator.fleet import VirtualMeter

SET_VALVE, RECHARGE = "03", "05"
VALVE_OPEN, VALVE_CLOSED = "0", "1"
AMOUNTS = ("50", "100", "200", "500")
CATCH_UP_SECONDS = 1.0
MOST_OPEN_ORDERS = 1_000


@dataclass(frozen=True, kw_only=True)
class DispatchPlan:
    """Rates are orders a minute of all meters together; an order is cancelled within `cancel_within` seconds."""

    seed: int = 0
    command_rate: float = 0.0
    recharge_rate: float = 0.0
    cancel_rate: float = 0.0
    cancel_within: float = 3.0


@dataclass
class Dispatch:
    """Orders for the registered meters of `cis`, each meter in turn; what came of them is counted in its status."""

    plan: DispatchPlan
    cis: Cis
    valve_turns: int = 0
    recharge_turns: int = 0
    _orders_taken: int = 0
    _commands: Counter[str] = field(default_factory=Counter)
    _recharges: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Until it is cancelled; a rate of 0 orders nothing."""
        async with asyncio.TaskGroup() as tasks:
            if self.plan.command_rate:
                tasks.create_task(self._steadily(self.plan.command_rate, self.order_valve, tasks))
            if self.plan.recharge_rate:
                tasks.create_task(self._steadily(self.plan.recharge_rate, self.recharge, tasks))

    async def order_valve(self) -> None:
        """The next meter closes, or opens when it was told to close before."""
        meter = self._turn(self.valve_turns)
        self.valve_turns += 1
        told = self._commands[meter.meter_no]
        self._commands[meter.meter_no] += 1
        serial_no = await self._order(meter, SET_VALVE, {"valveSet": VALVE_OPEN if told % 2 else VALVE_CLOSED})
        if serial_no:
            self.cis.status.commands += 1
            await self._perhaps_cancel(meter, serial_no)

    async def recharge(self) -> None:
        meter = self._turn(self.recharge_turns)
        self.recharge_turns += 1
        self._recharges[meter.meter_no] += 1
        count = self._recharges[meter.meter_no]
        data = {
            "rechargeAmount": AMOUNTS[draw(self.plan.seed, meter.meter_no, count, below=len(AMOUNTS))],
            "rechargeCount": str(count),
            "rechargeDate": long_time(self.cis.clock()),
            "rechargeStream": new_serial(),
        }
        serial_no = await self._order(meter, RECHARGE, data)
        if serial_no:
            self.cis.status.recharges += 1
            await self._perhaps_cancel(meter, serial_no)

    async def _steadily(
        self, rate: float, order: Callable[[], Coroutine[Any, Any, None]], tasks: asyncio.TaskGroup
    ) -> None:
        """Each order on its own, so that a slow answer slows no other; none before a meter is registered."""
        loop = asyncio.get_running_loop()
        pause, open_orders = 60 / rate, set[asyncio.Task[None]]()
        due = loop.time() + pause
        while True:
            await asyncio.sleep(due - loop.time())
            if self.cis.registered and len(open_orders) < MOST_OPEN_ORDERS:
                task = tasks.create_task(order())
                open_orders.add(task)
                task.add_done_callback(open_orders.discard)
            due = max(due + pause, loop.time() - CATCH_UP_SECONDS)

    def _turn(self, turn: int) -> VirtualMeter:
        meters = list(self.cis.registered.values())
        return meters[turn % len(meters)]

    async def _order(self, meter: VirtualMeter, param_no: str, data: dict[str, str]) -> str:
        """The serialNo of the 1004 that the platform took, or ""."""
        message = self._about(meter) | {
            "paramNo": param_no,
            "paramContext": {"total": "1", "data": data},
            "sdateTime": compact_time(self.cis.clock()),
        }
        answer = await self.cis.post_patiently("1004", message)
        if answer.accepted:
            return str(message["serialNo"])
        self.cis.note_error(f"1004 {meter.meter_no}: {answer.problem}")
        return ""

    async def _perhaps_cancel(self, meter: VirtualMeter, send_serial_no: str) -> None:
        """One that comes too late is refused (R13): that is no error."""
        self._orders_taken += 1
        names = ("cancel", self.plan.seed, self._orders_taken)
        if not happens(*names, rate=self.plan.cancel_rate):
            return
        await asyncio.sleep(self.plan.cancel_within * draw(*names, "pause", below=1000) / 1000)
        answer = await self.cis.post_patiently("1005", self._about(meter) | {"sendSerialNo": send_serial_no})
        if answer.accepted:
            self.cis.status.cancellations += 1
        elif answer.echo_code != EchoCode.REFUSED:
            self.cis.note_error(f"1005 {meter.meter_no}: {answer.problem}")

    def _about(self, meter: VirtualMeter) -> dict[str, Any]:
        return {
            "serialNo": new_serial(),
            "userNo": meter.user_no,
            "deviceId": "",
            "factorNo": self.cis.plan.factor,
            "meterNo": meter.meter_no,
            "companyCode": self.cis.plan.company,
        }
