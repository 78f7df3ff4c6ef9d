"""The simulated head-end: reports (2001) of all virtual meters, in order per meter, sent until they are settled."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import orjson
from django.utils import timezone

from protocol.errors import EchoCode
from simulator.client import Answer, Clock, Platform, new_serial, pause_after
from simulator.draws import happens
from simulator.fleet import VirtualMeter
from simulator.reports import report_message

CODE = "2001"
NOT_REGISTERED = ("用户不存在", "表具不存在")
LIVE_REPORTS_WAITING = 100_000
CATCH_UP_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 1.0


@dataclass
class HeadEndStatus:
    """The counters of GET /status: at rest, sent = accepted + refused; `retried` counts further tries."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    retried: int = 0
    backfilled: bool = False
    meters: int = 0
    last_error: str = ""


@dataclass(frozen=True, kw_only=True)
class HeadEndPlan:
    """What this head-end does. `rate` is live reports a second, `count` how many of them (None: no end)."""

    company: str
    factor: str
    meters: list[VirtualMeter]
    days: int
    seed: int
    rate: float
    count: int | None = None
    duplicate_rate: float = 0.0
    gap_rate: float = 0.0
    concurrency: int = 8
    first_pause: float = 0.5


@dataclass(slots=True)
class Report:
    """One 2001; its serial and body stay the same however often it is sent."""

    moment: datetime
    repeated: bool = False
    serial_no: str = field(default_factory=new_serial)
    body: bytes = b""
    tries: int = 0


@dataclass(slots=True)
class Lane:
    """The reports of one meter, one at a time; `next_day` is the first day whose end is not told yet."""

    meter: VirtualMeter
    next_day: date
    backfilled: bool
    turns: int = 0
    waiting: deque[Report] = field(default_factory=deque)


class HeadEnd:
    """One head-end at work: a producer of reports, and workers that send them."""

    def __init__(self, *, plan: HeadEndPlan, platform: Platform, clock: Clock) -> None:
        self.plan = plan
        self.platform = platform
        self.clock = clock
        self.status = HeadEndStatus(meters=len(plan.meters))
        first_day = timezone.localtime(clock()).date() - timedelta(days=plan.days)
        self.lanes = [Lane(meter, first_day, backfilled=not plan.days) for meter in plan.meters]
        self._lanes_to_backfill = len(self.lanes) if plan.days else 0
        self.status.backfilled = not plan.days
        self._ready: asyncio.Queue[Lane | None] = asyncio.Queue()
        self._unsettled = 0
        self._all_settled = asyncio.Event()
        self._leaving = False
        self._held_back = 0
        self._waiting_for = ""

    def snapshot(self) -> HeadEndStatus:
        """The status; while reports wait to be sent again, the last reason for that is shown as its error."""
        return replace(self.status, last_error=self._waiting_for if self._held_back else self.status.last_error)

    async def run(self) -> None:
        """Report until `count` is reached or the task is cancelled; answers under way are still taken in."""
        producer = asyncio.create_task(self._produce())
        workers = [asyncio.create_task(self._work()) for _ in range(self.plan.concurrency)]
        try:
            done, _ = await asyncio.wait({producer, *workers}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            producer.cancel()
            await self._dismiss(workers)

    async def _dismiss(self, workers: list[asyncio.Task[None]]) -> None:
        self._leaving = True
        for _ in workers:
            self._ready.put_nowait(None)
        await asyncio.wait(workers, timeout=LAST_ANSWERS_SECONDS)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _produce(self) -> None:
        for lane in self.lanes:
            if not lane.backfilled:
                self._hand_in(lane, Report(self.clock()))
        if self.plan.count != 0:
            await self._produce_live()
        while self._unsettled:
            self._all_settled.clear()
            await self._all_settled.wait()

    async def _produce_live(self) -> None:
        """Each meter in turn, at the plan's rate; time lost beyond CATCH_UP_SECONDS is not made up for."""
        loop = asyncio.get_running_loop()
        due, turn, produced = loop.time(), 0, 0
        while self.plan.count is None or produced < self.plan.count:
            await asyncio.sleep(due - loop.time())
            produced += self._take_turn(self.lanes[turn % len(self.lanes)])
            turn += 1
            due = max(due + 1 / self.plan.rate, loop.time() - CATCH_UP_SECONDS)

    def _take_turn(self, lane: Lane) -> bool:
        """One live report, unless the meter is silent this time: True when there is one.

        A meter whose backfill is under way has nothing to add: its next report tells all that it missed.
        """
        if self._unsettled >= LIVE_REPORTS_WAITING + len(self.lanes) or (lane.waiting and not lane.backfilled):
            return False
        lane.turns += 1
        names = (self.plan.seed, lane.meter.meter_no, lane.turns)
        if happens("gap", *names, rate=self.plan.gap_rate):
            return False
        repeated = happens("duplicate", *names, rate=self.plan.duplicate_rate)
        self._hand_in(lane, Report(self.clock(), repeated=repeated))
        return True

    def _hand_in(self, lane: Lane, report: Report) -> None:
        self._unsettled += 1
        lane.waiting.append(report)
        if len(lane.waiting) == 1:
            self._ready.put_nowait(lane)

    async def _work(self) -> None:
        while not self._leaving:
            lane = await self._ready.get()
            if lane is None:
                return
            report = lane.waiting[0]
            answer = await self._send(lane, report)
            if answer.accepted and report.repeated:
                answer = await self.platform.post(CODE, report.body)
            self._conclude(lane, report, answer)

    async def _send(self, lane: Lane, report: Report) -> Answer:
        if report.tries:
            self.status.retried += 1
        else:
            self.status.sent += 1
            report.body = self._body(lane, report)
        report.tries += 1
        return await self.platform.post(CODE, report.body)

    def _body(self, lane: Lane, report: Report) -> bytes:
        today = timezone.localtime(report.moment).date()
        missed_days = [lane.next_day + timedelta(days=n) for n in range((today - lane.next_day).days)]
        message = report_message(
            lane.meter,
            serial_no=report.serial_no,
            company=self.plan.company,
            factor=self.plan.factor,
            moment=report.moment,
            missed_days=missed_days,
        )
        return orjson.dumps(message)

    def _conclude(self, lane: Lane, report: Report, answer: Answer) -> None:
        if answer.accepted:
            self._accept(lane, report)
        elif answer.worth_retrying or _not_registered(answer):
            self._hold_back(lane, report, answer)
            return
        else:
            self.status.refused += 1
            self.status.last_error = f"{lane.meter.meter_no}: {answer.problem}"
        lane.waiting.popleft()
        self._unsettled -= 1
        if lane.waiting:
            self._ready.put_nowait(lane)
        if not self._unsettled:
            self._all_settled.set()

    def _hold_back(self, lane: Lane, report: Report, answer: Answer) -> None:
        self._held_back += 1
        self._waiting_for = f"{lane.meter.meter_no}: {answer.problem}"
        pause = pause_after(report.tries, first=self.plan.first_pause)
        asyncio.get_running_loop().call_later(pause, self._let_go, lane)

    def _let_go(self, lane: Lane) -> None:
        self._held_back -= 1
        self._ready.put_nowait(lane)

    def _accept(self, lane: Lane, report: Report) -> None:
        self.status.accepted += 1
        lane.next_day = max(lane.next_day, timezone.localtime(report.moment).date())
        if not lane.backfilled:
            lane.backfilled = True
            self._lanes_to_backfill -= 1
            self.status.backfilled = not self._lanes_to_backfill


def _not_registered(answer: Answer) -> bool:
    return answer.echo_code == EchoCode.REFUSED and any(text in answer.message for text in NOT_REGISTERED)
