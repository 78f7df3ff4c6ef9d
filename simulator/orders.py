"""What the simulated head-end serves: the messages 1001 to 1009 of the platform, and a view of what meters did."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from protocol.errors import AccessDenied, FieldInvalid, ManufacturerUnknown, ProtocolError, Refused
from protocol.paths import message_path
from simulator.client import Account, Clock
from simulator.draws import happens
from simulator.execution import CLOSE, OPEN, RECHARGE, VALVE, Command, Field
from simulator.headend_plan import HeadEndPlan, HeadEndStatus
from simulator.receiving import Memory, Message, check_signature, echoed, parse_message, receipt, refusal, text_of
from simulator.serving import json_answer

VALVE_SETS = {"0": OPEN, "1": CLOSE}


@dataclass
class OrderDesk:
    """Takes the orders of one platform, which signs with this head-end's own account (R1)."""

    account: Account
    plan: HeadEndPlan
    clock: Clock
    status: HeadEndStatus
    meters: Field
    memory: Memory = field(default_factory=Memory)

    def application(self) -> web.Application:
        app = web.Application()
        for code in _ACTIONS:
            app.router.add_post(message_path(code), self._receiver(code))
        app.router.add_get("/executions", self._show_executions)
        return app

    def take(self, code: str, headers: Mapping[str, str], raw: bytes) -> tuple[Message, bool]:
        """The whole answer to one message, and whether it gets lost; raises a ProtocolError to refuse it."""
        now = self.clock()
        check_signature(self.account, headers, now=now)
        message = parse_message(raw)
        serial_no = message["serialNo"]
        known_at = self.memory.recall(code, serial_no, raw)
        if known_at is not None:
            self.status.repeated += 1
            return _answer(code, message, known_at), False
        if text_of(message, "factorNo") not in ("", self.plan.factor):
            raise ManufacturerUnknown
        _ACTIONS[code](self, message)
        self.memory.remember(code, serial_no, raw, at=now)
        return _answer(code, message, now), code == "1004" and self.plan.loses_answer_to(serial_no)

    def _receiver(self, code: str) -> Any:
        async def receive(request: web.Request) -> web.Response:
            raw = await request.read()
            try:
                answer, lost = self.take(code, request.headers, raw)
            except ProtocolError as error:
                if isinstance(error, AccessDenied):
                    self.status.last_error = f"{code}: {error.message}"
                return json_answer(refusal(error))
            if lost and request.transport is not None:
                request.transport.abort()
            return json_answer(answer)

        return receive

    async def _show_executions(self, request: web.Request) -> web.Response:
        shown = {meter_no: [asdict(one) for one in done] for meter_no, done in self.meters.executions.items()}
        return json_answer(shown)


def _command(desk: OrderDesk, message: Message) -> None:
    meter_no = _known_meter(desk, message)
    kind, what = _read_order(message)
    if happens("refuse", desk.plan.seed, message["serialNo"], rate=desk.plan.refuse_rate):
        raise Refused("表具拒绝执行指令")
    order = echoed(message, "serialNo", "userNo", "deviceId", "meterNo", "paramNo", "companyCode")
    desk.meters.accept(Command(message["serialNo"], meter_no, kind, what, order))


def _cancel(desk: OrderDesk, message: Message) -> None:
    desk.meters.cancel(serial_no=text_of(message, "sendSerialNo"), meter_no=_known_meter(desk, message))


def _replace(desk: OrderDesk, message: Message) -> None:
    """The new meter can be told something from now on. It reports nothing: it is not of this fleet."""
    _known_meter(desk, message)
    new_meter_no = text_of(message, "newMeterNo")
    if not new_meter_no:
        raise FieldInvalid("newMeterNo", "不能为空")
    desk.meters.known.add(new_meter_no)


def _set_price(desk: OrderDesk, message: Message) -> None:
    """A price is about no meter; nothing is computed from it here."""


def _known_meter(desk: OrderDesk, message: Message) -> str:
    meter_no = text_of(message, "meterNo")
    desk.meters.check_known(meter_no)
    return meter_no


def _read_order(message: Message) -> tuple[str, str | dict[str, str]]:
    context = message.get("paramContext")
    data = context.get("data") if isinstance(context, dict) else None
    if not isinstance(data, dict):
        raise FieldInvalid("paramContext", "不是有效的指令参数")
    match text_of(message, "paramNo"):
        case "03":
            return VALVE, _read_valve(data)
        case "05":
            return RECHARGE, _read_recharge(data)
    raise FieldInvalid("paramNo", "只能是 03 或 05")


def _read_valve(data: Message) -> str:
    what = VALVE_SETS.get(text_of(data, "valveSet"))
    if what is None:
        raise FieldInvalid("valveSet", "只能是 0 或 1")
    return what


def _read_recharge(data: Message) -> dict[str, str]:
    recharge = echoed(data, "rechargeAmount", "rechargeCount", "rechargeDate", "rechargeStream")
    recharge["rechargeDate"] = recharge["rechargeDate"] or text_of(data, "recharghDate")
    try:
        amount = Decimal(recharge["rechargeAmount"])
    except InvalidOperation:
        raise FieldInvalid("rechargeAmount", "不是有效的数字") from None
    if not amount.is_finite() or amount <= 0:
        raise FieldInvalid("rechargeAmount", "必须大于 0")
    if not recharge["rechargeStream"]:
        raise FieldInvalid("rechargeStream", "不能为空")
    return recharge


def _answer(code: str, message: Message, at: datetime) -> Message:
    """The receipt; 1009 asks for the deviceId of the new meter, which is for the platform to make (R7)."""
    return receipt(message | {"deviceId": ""} if code == "1009" else message, at)


_ACTIONS: dict[str, Callable[[OrderDesk, Message], Any]] = {
    "1001": _known_meter,
    "1002": _known_meter,
    "1004": _command,
    "1005": _cancel,
    "1007": _set_price,
    "1008": _known_meter,
    "1009": _replace,
}
