"""The simulated head-end: reports (2001) of all virtual meters, in order per meter, sent until they are settled."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import orjson
from django.utils import timezone

from simulator.client import Answer, Clock, Platform, new_serial, pause_after
from simulator.draws import happens
from simulator.execution import Command, Field
from simulator.fleet import VirtualMeter
from simulator.headend_plan import HeadEndPlan, HeadEndStatus
from simulator.notices import (
    LAST_ANSWERS_SECONDS,
    Notice,
    Notices,
    alarm_message,
    result_message,
    to_be_sent_again,
)
from simulator.reports import report_message

CODE = "2001"
LIVE_REPORTS_WAITING = 100_000
CATCH_UP_SECONDS = 1.0


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
    """One head-end at work: a producer of reports, workers that send them, and meters that obey."""

    def __init__(self, *, plan: HeadEndPlan, platform: Platform, clock: Clock) -> None:
        self.plan = plan
        self.platform = platform
        self.clock = clock
        self.status = HeadEndStatus(meters=len(plan.meters))
        first_day = timezone.localtime(clock()).date() - timedelta(days=plan.days)
        self.lanes = [Lane(meter, first_day, backfilled=not plan.days) for meter in plan.meters]
        self._lanes_to_backfill = len(self.lanes) if plan.days else 0
        self.status.backfilled = not plan.days
        known = {meter.meter_no for meter in plan.meters}
        self.meters = Field(plan=plan, clock=clock, status=self.status, known=known, tell=self._tell_result)
        self._notices = Notices(platform=platform, concurrency=plan.concurrency, first_pause=plan.first_pause)
        self._ready: asyncio.Queue[Lane | None] = asyncio.Queue()
        self._unsettled = 0
        self._all_settled = asyncio.Event()
        self._leaving = False
        self._held_back = 0
        self._waiting_for = ""

    def snapshot(self) -> HeadEndStatus:
        """The status; while messages wait to be sent again, the last reason for that is shown as its error."""
        waiting_for = self._waiting_for if self._held_back else self._notices.problem
        return replace(self.status, last_error=waiting_for or self.status.last_error)

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
            await asyncio.gather(self._dismiss(workers), self._notices.dismiss())

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
        await self._notices.all_settled()

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
        if happens("alarm", *names, rate=self.plan.alarm_rate):
            self._raise_alarm(lane)
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
            valve_state=self.meters.valve_state(lane.meter.meter_no),
        )
        return orjson.dumps(message)

    def _conclude(self, lane: Lane, report: Report, answer: Answer) -> None:
        if answer.accepted:
            self._accept(lane, report)
            self.meters.attend(lane.meter.meter_no, answer.envelope.get("valvecontrol"))
        elif to_be_sent_again(answer):
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

    def _tell_result(self, command: Command, succeeded: bool) -> None:
        message = result_message(
            command.order, company=self.plan.company, factor=self.plan.factor, succeeded=succeeded, now=self.clock()
        )
        repeated = happens("duplicate", self.plan.seed, command.serial_no, rate=self.plan.duplicate_rate)
        delay = self.plan.result_delay(command.serial_no)
        self._notices.send(Notice("2002", message, self._settle_result, repeated=repeated, delay=delay))

    def _settle_result(self, answer: Answer) -> None:
        self.status.results += answer.accepted
        self._note_refusal("2002", answer)

    def _raise_alarm(self, lane: Lane) -> None:
        message = alarm_message(
            lane.meter, company=self.plan.company, factor=self.plan.factor, turn=lane.turns, now=self.clock()
        )
        self._notices.send(Notice("2003", message, self._settle_alarm))

    def _settle_alarm(self, answer: Answer) -> None:
        self.status.alarms += answer.accepted
        self._note_refusal("2003", answer)

    def _note_refusal(self, code: str, answer: Answer) -> None:
        if not answer.accepted:
            self.status.last_error = f"{code}: {answer.problem}"
