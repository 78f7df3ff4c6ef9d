"""What the simulated CIS serves: the callbacks 2001, 2002 and 2003, and a view of what came in."""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from aiohttp import web

from protocol.errors import AccessDenied, FieldInvalid, HeaderInvalid, ProtocolError, Refused, SerialReused
from protocol.paths import message_path
from protocol.signature import read_credentials, token_matches, within_window
from protocol.wire import compact_time, decimal_text
from simulator.client import Account, Clock
from simulator.registration import TIER_PRICES
from simulator.serving import json_answer

WINDOW_SECONDS = 600
KEPT_MESSAGES = 200
REMEMBERED_SERIALS = 500_000
CREDIT = Decimal(200)
VALVE_UNCHANGED = "2"
ALARM_TAKEN = "告警上报成功"


@dataclass
class CisStatus:
    """The counters of GET /status; `callbacks` counts each serial once."""

    registered: int = 0
    callbacks: int = 0
    duplicates: int = 0
    bad_signatures: int = 0
    readings_rows: int = 0
    usage_rows: int = 0
    queries: int = 0
    errors: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How well the CIS works today: slow answers and HTTP 500 are for training and load."""

    delay_seconds: float = 0.0
    fail_rate: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """A callback taken before: enough to know it again and to answer the same."""

    digest: bytes
    at: datetime


@dataclass
class CallbackDesk:
    """Takes callbacks of one account and keeps count in `status`."""

    account: Account
    clock: Clock
    status: CisStatus
    behaviour: Behaviour = field(default_factory=Behaviour)
    messages: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    taken: dict[str, Taken] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._luck = random.Random(self.behaviour.seed)

    def application(self) -> web.Application:
        app = web.Application()
        for code in _ANSWERS:
            app.router.add_post(message_path(code), self._receiver(code))
        app.router.add_get("/messages", self._show_messages)
        return app

    def take(self, code: str, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
        """The whole answer to one callback; raises a ProtocolError to refuse it."""
        self._check_signature(headers)
        message = _parse(raw)
        serial_no, digest = message["serialNo"], hashlib.sha256(code.encode() + raw).digest()
        known = self.taken.get(serial_no)
        if known is None:
            now = self.clock()
            answer = _ANSWERS[code](message, now)
            self._remember(serial_no, Taken(digest, now), message)
            return answer
        if known.digest != digest:
            raise SerialReused(serial_no)
        self.status.duplicates += 1
        return _ANSWERS[code](message, known.at)

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

    def _take_or_refuse(self, code: str, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
        try:
            return self.take(code, headers, raw)
        except AccessDenied as error:
            self.status.bad_signatures += 1
            return {"echoCode": str(error.code), "echoMsg": error.message}
        except ProtocolError as error:
            self.status.errors += 1
            self.status.last_error = f"{code}: {error.message}"
            return {"echoCode": str(error.code), "echoMsg": error.message}

    def _check_signature(self, headers: Mapping[str, str]) -> None:
        """Raises AccessDenied (0103) whatever is wrong with the signature."""
        try:
            credentials = read_credentials(token=headers.get("AccessToken"), authorization=headers.get("Authorization"))
        except HeaderInvalid:
            raise AccessDenied from None
        if credentials.app_code != self.account.app_code:
            raise AccessDenied
        if not token_matches(credentials, app_secret=self.account.app_secret):
            raise AccessDenied
        if not within_window(credentials.timestamp, now=self.clock(), window_seconds=WINDOW_SECONDS):
            raise AccessDenied

    def _remember(self, serial_no: str, taken: Taken, message: dict[str, Any]) -> None:
        self.status.callbacks += 1
        self.messages.append(message)
        self.taken[serial_no] = taken
        if len(self.taken) > REMEMBERED_SERIALS:
            del self.taken[next(iter(self.taken))]

    async def _show_messages(self, request: web.Request) -> web.Response:
        return json_answer(list(self.messages))


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused("报文不是有效的 JSON") from None
    if not isinstance(message, dict):
        raise Refused("报文必须是 JSON 对象")
    if not isinstance(message.get("serialNo"), str) or not message["serialNo"]:
        raise FieldInvalid("serialNo", "不能为空")
    return message


def _echoed(message: dict[str, Any], *keys: str) -> dict[str, str]:
    return {key: str(message.get(key) or "") for key in keys}


def _reading_answer(message: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "echoCode": "0000",
        **_echoed(message, "serialNo", "userNo", "deviceId", "factorNo", "meterNo"),
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


def _receipt(message: dict[str, Any], at: datetime) -> dict[str, Any]:
    receipt = {**_echoed(message, "serialNo", "deviceId"), "rdateTime": compact_time(at)}
    return {"echoCode": "0000", "echoMsg": receipt}


def _alarm_answer(message: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {"echoCode": "0000", "echoMsg": ALARM_TAKEN}


_ANSWERS = {"2001": _reading_answer, "2002": _receipt, "2003": _alarm_answer}
