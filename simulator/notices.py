"""What a head-end tells beside its reports: what became of a command (2002) and alarms (2003)."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from protocol.errors import EchoCode
from protocol.wire import compact_time
from simulator.client import Answer, Platform, new_serial, pause_after
from simulator.draws import draw
from simulator.fleet import VirtualMeter

Message = dict[str, object]

NOT_REGISTERED = ("用户不存在", "表具不存在")
LAST_ANSWERS_SECONDS = 1.0
SUCCEEDED, FAILED = "1", "2"

# Appendix two: type, what is the matter, priority.
_ALARMS = (
    ("01", "通讯异常", "3"),
    ("02", "燃气泄漏", "3"),
    ("03", "干簧管坏", "3"),
    ("04", "阀门漏气", "3"),
    ("05", "阀门异常", "3"),
    ("06", "电池故障", "3"),
    ("07", "强磁干扰", "2"),
)


def result_message(order: Mapping[str, Any], *, company: str, factor: str, succeeded: bool, now: datetime) -> Message:
    """The 2002 for `order`, the 1004 that was received."""
    return {
        "serialNo": new_serial(),
        "userNo": order["userNo"],
        "deviceId": order["deviceId"],
        "factorNo": factor,
        "meterNo": order["meterNo"],
        "sendSerialNo": order["serialNo"],
        "paramNo": order["paramNo"],
        "excuteState": SUCCEEDED if succeeded else FAILED,
        "companyCode": order["companyCode"] or company,
        "sdateTime": compact_time(now),
    }


def alarm_message(meter: VirtualMeter, *, company: str, factor: str, turn: int, now: datetime) -> Message:
    kind, content, priority = _ALARMS[draw(meter.home.key, "alarm", turn, below=len(_ALARMS))]
    return {
        "serialNo": new_serial(),
        "userNo": meter.user_no,
        "deviceId": "",
        "factorNo": factor,
        "meterNo": meter.meter_no,
        "alarmType": kind,
        "alarmContent": content,
        "alarmPriority": priority,
        "companyCode": company,
        "sdateTime": compact_time(now),
    }


def to_be_sent_again(answer: Answer) -> bool:
    """True when the same message may be taken later: nobody was there, or the meter is not registered yet."""
    if answer.worth_retrying:
        return True
    return answer.echo_code == EchoCode.REFUSED and any(text in answer.message for text in NOT_REGISTERED)


@dataclass(frozen=True, slots=True, eq=False)
class Notice:
    """`settled` gets the answer that ends it; begins after `delay` seconds, and goes twice when `repeated`."""

    code: str
    message: Message
    settled: Callable[[Answer], None]
    repeated: bool = False
    delay: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.code} {self.message['meterNo']}"


class Notices:
    """Notices under way, each sent with one serial and body until the platform takes or refuses it."""

    def __init__(self, *, platform: Platform, concurrency: int, first_pause: float) -> None:
        self._platform = platform
        self._first_pause = first_pause
        self._free_lines = asyncio.Semaphore(concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self._problems: dict[Notice, str] = {}

    @property
    def problem(self) -> str:
        """Why one of them waits to be sent again, or ""."""
        return next(iter(self._problems.values()), "")

    def send(self, notice: Notice) -> None:
        task = asyncio.create_task(self._deliver(notice))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def all_settled(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def dismiss(self) -> None:
        """Take in the answers under way, unless one is being waited for: it would not come."""
        if self._under_way and not self._problems:
            await asyncio.wait(self._under_way, timeout=LAST_ANSWERS_SECONDS)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _deliver(self, notice: Notice) -> None:
        await asyncio.sleep(notice.delay)
        body = orjson.dumps(notice.message)
        answer = await self._post_until_settled(notice, body)
        if answer.accepted and notice.repeated:
            answer = await self._post(notice.code, body)
        notice.settled(answer)

    async def _post_until_settled(self, notice: Notice, body: bytes) -> Answer:
        tries = 0
        while True:
            answer = await self._post(notice.code, body)
            tries += 1
            if answer.accepted or not to_be_sent_again(answer):
                self._problems.pop(notice, None)
                return answer
            self._problems[notice] = f"{notice.name}: {answer.problem}"
            await asyncio.sleep(pause_after(tries, first=self._first_pause))

    async def _post(self, code: str, body: bytes) -> Answer:
        async with self._free_lines:
            return await self._platform.post(code, body)
