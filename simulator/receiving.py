"""What both simulators check of a message that they receive: signature, shape, and whether its serial is spent (R5)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from protocol.errors import AccessDenied, FieldInvalid, HeaderInvalid, ProtocolError, Refused, SerialReused
from protocol.signature import read_credentials, token_matches, within_window
from protocol.wire import compact_time
from simulator.client import Account

WINDOW_SECONDS = 600
REMEMBERED_SERIALS = 500_000

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """A message taken before: enough to know it again and to answer the same."""

    digest: bytes
    at: datetime


@dataclass
class Memory:
    """The spent serials, the latest REMEMBERED_SERIALS of them."""

    taken: dict[str, Taken] = field(default_factory=dict)

    def recall(self, code: str, serial_no: str, raw: bytes) -> datetime | None:
        """When this very message was taken before; raises SerialReused when another one had its serial."""
        known = self.taken.get(serial_no)
        if known is None:
            return None
        if known.digest != _digest(code, raw):
            raise SerialReused(serial_no)
        return known.at

    def remember(self, code: str, serial_no: str, raw: bytes, *, at: datetime) -> None:
        self.taken[serial_no] = Taken(_digest(code, raw), at)
        if len(self.taken) > REMEMBERED_SERIALS:
            del self.taken[next(iter(self.taken))]


def check_signature(account: Account, headers: Mapping[str, str], *, now: datetime) -> None:
    """Raises AccessDenied (0103) whatever is wrong with the signature."""
    try:
        credentials = read_credentials(token=headers.get("AccessToken"), authorization=headers.get("Authorization"))
    except HeaderInvalid:
        raise AccessDenied from None
    if credentials.app_code != account.app_code:
        raise AccessDenied
    if not token_matches(credentials, app_secret=account.app_secret):
        raise AccessDenied
    if not within_window(credentials.timestamp, now=now, window_seconds=WINDOW_SECONDS):
        raise AccessDenied


def parse_message(raw: bytes) -> Message:
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused("报文不是有效的 JSON") from None
    if not isinstance(message, dict):
        raise Refused("报文必须是 JSON 对象")
    if not isinstance(message.get("serialNo"), str) or not message["serialNo"]:
        raise FieldInvalid("serialNo", "不能为空")
    return message


def text_of(message: Message, key: str) -> str:
    """The scalar as text without surrounding blanks; "" when it is not given (R6)."""
    value = message.get(key)
    return "" if value is None else str(value).strip()


def echoed(message: Message, *keys: str) -> dict[str, str]:
    return {key: text_of(message, key) for key in keys}


def receipt(message: Message, at: datetime) -> Message:
    content = {**echoed(message, "serialNo", "deviceId"), "rdateTime": compact_time(at)}
    return {"echoCode": "0000", "echoMsg": content}


def refusal(error: ProtocolError) -> Message:
    return {"echoCode": str(error.code), "echoMsg": error.message}


def _digest(code: str, raw: bytes) -> bytes:
    return hashlib.sha256(code.encode() + raw).digest()
