"""The calling half of the simulated CIS: price and meters first, then the queries, round after round."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import orjson
from django.utils import timezone

from protocol.errors import EchoCode
from protocol.wire import day_text
from simulator.answers import AnswerMalformed, check_detail, readings_in, usage_rows_in
from simulator.callbacks import CisStatus
from simulator.client import Answer, Clock, Platform, new_serial, pause_after
from simulator.fleet import VirtualMeter
from simulator.registration import price_message, registration_message

CONCURRENCY = 8
USAGE_QUERIES_PER_ROUND = 50
UNREGISTERED_PAUSE_SECONDS = 5.0
EXISTS_ALREADY = "已存在"


@dataclass(frozen=True, kw_only=True)
class CisPlan:
    """What this CIS is about."""

    company: str
    factor: str
    meters: list[VirtualMeter]
    days: int
    interval: float
    price_code: str
    billing_model: str
    pay_model: str
    first_pause: float = 0.5


@dataclass
class Cis:
    """One CIS at work; what came of it is counted in `status`."""

    plan: CisPlan
    platform: Platform
    clock: Clock
    status: CisStatus
    price_exists: bool = False
    registered: dict[str, VirtualMeter] = field(default_factory=dict)
    usage_rows: dict[str, int] = field(default_factory=dict)
    details_asked: int = 0
    usages_asked: int = 0
    waiting: str = ""
    deadline: float = math.inf

    async def run(self) -> None:
        while True:
            await self.register()
            await self.query(usages=USAGE_QUERIES_PER_ROUND)
            complete = len(self.registered) == len(self.plan.meters)
            await asyncio.sleep(self.plan.interval if complete else self._shorter_pause())

    async def run_once(self, *, patience: float) -> None:
        """Register and query everything once; gives up when the platform is not there within `patience` seconds."""
        self.deadline = time.monotonic() + patience
        await self.register()
        if self.price_exists:
            await self.query(usages=len(self.plan.meters))

    @property
    def failed(self) -> bool:
        return self.status.errors > 0 or len(self.registered) < len(self.plan.meters)

    def snapshot(self) -> CisStatus:
        return replace(self.status, last_error=self.waiting or self.status.last_error)

    async def register(self) -> None:
        """Create the price and register every meter that is not known to be there; may be called again."""
        if not self.price_exists:
            await self._create_price()
        if self.price_exists:
            missing = [meter for meter in self.plan.meters if meter.meter_no not in self.registered]
            await _a_few_at_once(self._register_meter, missing)

    async def query(self, *, usages: int) -> None:
        """1013 for all, 1014 for one meter and 1015 for `usages` meters, each time the next ones."""
        await self._ask("1013", {"meterNo": "", "readingDate": ""}, self._count_readings)
        meters = list(self.registered.values())
        if not meters:
            return
        await self._ask_detail(meters[self.details_asked % len(meters)])
        self.details_asked += 1
        turns = range(self.usages_asked, self.usages_asked + min(usages, len(meters)))
        self.usages_asked = turns.stop
        await _a_few_at_once(self._ask_usage, [meters[turn % len(meters)] for turn in turns])

    async def post_patiently(self, code: str, message: dict[str, Any]) -> Answer:
        """Post until the platform is there to answer. Waiting for it is shown, but is no error."""
        body, tries = orjson.dumps(message), 0
        while True:
            answer = await self.platform.post(code, body)
            tries += 1
            if not answer.worth_retrying or time.monotonic() > self.deadline:
                self.waiting = ""
                return answer
            self.waiting = f"waiting for the platform: {answer.problem}"
            await asyncio.sleep(pause_after(tries, first=self.plan.first_pause))

    def note_error(self, text: str) -> None:
        self.status.errors += 1
        self.status.last_error = text

    async def _create_price(self) -> None:
        plan = self.plan
        message = price_message(
            serial_no=new_serial(), company=plan.company, factor=plan.factor, price_code=plan.price_code
        )
        answer = await self.post_patiently("1007", message)
        if answer.accepted or answer.echo_code == EchoCode.PRICE_EXISTS:
            self.price_exists = True
        else:
            self.note_error(f"1007 {plan.price_code}: {answer.problem}")

    async def _register_meter(self, meter: VirtualMeter) -> None:
        plan = self.plan
        message = registration_message(
            meter,
            serial_no=new_serial(),
            company=plan.company,
            factor=plan.factor,
            price_code=plan.price_code,
            billing_model=plan.billing_model,
            pay_model=plan.pay_model,
            days=plan.days,
            now=self.clock(),
        )
        answer = await self.post_patiently("1001", message)
        if answer.accepted or EXISTS_ALREADY in answer.message:
            self.registered[meter.meter_no] = meter
            self.status.registered = len(self.registered)
        else:
            self.note_error(f"1001 {meter.meter_no}: {answer.problem}")

    async def _ask_detail(self, meter: VirtualMeter) -> None:
        await self._ask("1014", _about(meter), check_detail)

    async def _ask_usage(self, meter: VirtualMeter) -> None:
        today = timezone.localtime(self.clock()).date()
        first = today - timedelta(days=self.plan.days)
        period = {"startTime": day_text(first), "endTime": day_text(max(first, today - timedelta(days=1)))}
        await self._ask("1015", _about(meter) | period, lambda answer: self._count_usage(meter, answer))

    async def _ask(self, code: str, question: dict[str, Any], read: Callable[[Answer], None]) -> None:
        message = {"serialNo": new_serial(), "companyCode": self.plan.company, "factorNo": self.plan.factor}
        answer = await self.platform.post(code, orjson.dumps(message | question))
        subject = f"{code} {question['meterNo']}".strip()
        if not answer.accepted:
            self.note_error(f"{subject}: {answer.problem}")
            return
        self.status.queries += 1
        try:
            read(answer)
        except AnswerMalformed as error:
            self.note_error(f"{subject}: {error}")

    def _count_readings(self, answer: Answer) -> None:
        self.status.readings_rows = readings_in(answer)

    def _count_usage(self, meter: VirtualMeter, answer: Answer) -> None:
        rows = usage_rows_in(answer)
        self.status.usage_rows += rows - self.usage_rows.get(meter.meter_no, 0)
        self.usage_rows[meter.meter_no] = rows

    def _shorter_pause(self) -> float:
        return min(self.plan.interval, UNREGISTERED_PAUSE_SECONDS)


def _about(meter: VirtualMeter) -> dict[str, Any]:
    return {"userNo": meter.user_no, "userName": "", "deviceId": "", "meterNo": meter.meter_no}


async def _a_few_at_once(ask: Callable[[VirtualMeter], Awaitable[None]], meters: Iterable[VirtualMeter]) -> None:
    """Ask about all `meters`, CONCURRENCY at a time."""
    waiting = iter(meters)

    async def one_after_another() -> None:
        for meter in waiting:
            await ask(meter)

    await asyncio.gather(*(one_after_another() for _ in range(CONCURRENCY)))
