"""The body of a request (R6): UTF-8 JSON, an object, of bounded size and depth; numbers become their own text."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from django.conf import settings

from protocol.errors import Refused


def _refuse_constant(text: str) -> NoReturn:
    raise Refused(f"报文含有无效的数字 {text}")


def _check_depth(value: dict[str, Any] | list[Any], remaining: int) -> None:
    if remaining < 0:
        raise Refused("报文嵌套过深")
    children = value.values() if isinstance(value, dict) else value
    for child in children:
        if isinstance(child, dict | list):
            _check_depth(child, remaining - 1)


def parse_body(raw: bytes) -> tuple[dict[str, Any], str]:
    """(message, text) of a request body; raises Refused (9999) with the reason.

    Numbers keep the digits they were written with: {"a": 1.50} -> {"a": "1.50"}.
    """
    if len(raw) > settings.MAX_BODY_BYTES:
        raise Refused("报文过大")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("报文不是 UTF-8 编码") from None
    try:
        message = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse_constant)
    except RecursionError:
        raise Refused("报文嵌套过深") from None
    except ValueError:
        raise Refused("报文不是有效的 JSON") from None
    if not isinstance(message, dict):
        raise Refused("报文必须是 JSON 对象")
    _check_depth(message, settings.MAX_BODY_DEPTH)
    return message, text


def digest_of(code: str, message: Mapping[str, Any]) -> bytes:
    """What makes two messages "the same" (R5): the code and the content, whatever the order of keys or blanks."""
    canonical = json.dumps(message, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{code}\n{canonical}".encode()).digest()
