"""What the simulated CIS serves: the callbacks 2001, 2002 and 2003, and a view of what came in."""

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from protocol.errors import AccessDenied, FieldInvalid, ProtocolError
from protocol.paths import message_path
from protocol.wire import compact_time, decimal_text
from simulator.client import Account, Clock
from simulator.receiving import Memory, Message, check_signature, echoed, parse_message, receipt, refusal, text_of
from simulator.registration import TIER_PRICES
from simulator.serving import json_answer

KEPT_MESSAGES = 200
CREDIT = Decimal(200)
VALVE_UNCHANGED = "2"
ALARM_TAKEN = "告警上报成功"


@dataclass
class CisStatus:
    """The counters of GET /status; `callbacks`, `results` and `alarms` count each serial once.

    `commands` (1004 for a valve), `recharges` and `cancellations` are those that the platform took.
    """

    registered: int = 0
    callbacks: int = 0
    duplicates: int = 0
    bad_signatures: int = 0
    readings_rows: int = 0
    usage_rows: int = 0
    queries: int = 0
    errors: int = 0
    last_error: str = ""
    commands: int = 0
    recharges: int = 0
    cancellations: int = 0
    results: int = 0
    alarms: int = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How well the CIS works today: slow answers and HTTP 500 are for training and load."""

    delay_seconds: float = 0.0
    fail_rate: float = 0.0
    seed: int = 0


@dataclass
class CallbackDesk:
    """Takes callbacks of one account, keeps count in `status` and every excuteState in `results`."""

    account: Account
    clock: Clock
    status: CisStatus
    behaviour: Behaviour = field(default_factory=Behaviour)
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    memory: Memory = field(default_factory=Memory)
    results: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._luck = random.Random(self.behaviour.seed)

    def application(self) -> web.Application:
        app = web.Application()
        for code in _ANSWERS:
            app.router.add_post(message_path(code), self._receiver(code))
        app.router.add_get("/messages", self._show_messages)
        app.router.add_get("/results", self._show_results)
        return app

    def take(self, code: str, headers: Mapping[str, str], raw: bytes) -> Message:
        """The whole answer to one callback; raises a ProtocolError to refuse it."""
        check_signature(self.account, headers, now=self.clock())
        message = parse_message(raw)
        known_at = self.memory.recall(code, message["serialNo"], raw)
        if known_at is not None:
            self.status.duplicates += 1
            return _ANSWERS[code](message, known_at)
        now = self.clock()
        answer = _ANSWERS[code](message, now)
        self.memory.remember(code, message["serialNo"], raw, at=now)
        self._note(code, message)
        return answer

    def _receiver(self, code: str) -> Any:
        async def receive(request: web.Request) -> web.Response:
            raw = await request.read()
            await asyncio.sleep(self.behaviour.delay_seconds)
            # Half of the failures lose the message, the other half only its answer: that one comes again.
            luck = self._luck.random()
            if luck < self.behaviour.fail_rate / 2:
                return json_answer({}, status=500)
            answer = self._take_or_refuse(code, request.headers, raw)
            return json_answer({}, status=500) if luck < self.behaviour.fail_rate else json_answer(answer)

        return receive

    def _take_or_refuse(self, code: str, headers: Mapping[str, str], raw: bytes) -> Message:
        try:
            return self.take(code, headers, raw)
        except AccessDenied as error:
            self.status.bad_signatures += 1
            return refusal(error)
        except ProtocolError as error:
            self.status.errors += 1
            self.status.last_error = f"{code}: {error.message}"
            return refusal(error)

    def _note(self, code: str, message: Message) -> None:
        self.status.callbacks += 1
        self.messages.append(message)
        if code == "2002":
            self.status.results += 1
            self.results.setdefault(text_of(message, "sendSerialNo"), []).append(text_of(message, "excuteState"))
        if code == "2003":
            self.status.alarms += 1

    async def _show_messages(self, request: web.Request) -> web.Response:
        return json_answer(list(self.messages))

    async def _show_results(self, request: web.Request) -> web.Response:
        return json_answer(self.results)


def _reading_answer(message: Message, at: datetime) -> Message:
    return {
        "echoCode": "0000",
        **echoed(message, "serialNo", "userNo", "deviceId", "factorNo", "meterNo"),
        "valvecontrol": VALVE_UNCHANGED,
        "currentprice": decimal_text(TIER_PRICES[0]),
        "remainquantity": decimal_text(_credit_left(message.get("readNum"))),
        "rdateTime": compact_time(at),
    }


def _credit_left(read_num: Any) -> Decimal:
    """The customer pays CREDIT whenever it is used up, so that the rest follows from the reading alone."""
    try:
        spent = Decimal(str(read_num)) * TIER_PRICES[0]
        left = (CREDIT - spent % CREDIT).quantize(Decimal("0.0001"))
    except ArithmeticError:
        raise FieldInvalid("readNum", "不是有效的数字") from None
    if not left.is_finite():
        raise FieldInvalid("readNum", "不是有效的数字")
    return left


def _alarm_answer(message: Message, at: datetime) -> Message:
    return {"echoCode": "0000", "echoMsg": ALARM_TAKEN}


_ANSWERS = {"2001": _reading_answer, "2002": receipt, "2003": _alarm_answer}
