"""What a try of an outbound message means (R15), and when the next one is due."""

import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from protocol.errors import EchoCode
from protocol.models import DeliveryState
from protocol.sending import Outcome

RETRY_AFTER_SECONDS = (10, 60, 300, 1800, 7200, 18_000, 36_000, 36_000)
RETRIED_STATUSES = frozenset({408, 425, 429})
SUCCESS_CODES = frozenset({EchoCode.SUCCESS.value, "0"})


class Verdict(NamedTuple):
    """What an outcome means: delivered, refused by the peer (rejected), or to be tried again (pending)."""

    state: DeliveryState
    echo_code: str
    answer: dict[str, Any]


def judge(outcome: Outcome) -> Verdict:
    """PENDING means: to be tried again. An HTTP error without a readable envelope counts by its status (R15)."""
    answer = _envelope_of(outcome.text)
    echo_code = str(answer.get("echoCode", ""))
    status = outcome.http_status
    if status is None or status >= 500 or status in RETRIED_STATUSES or echo_code == EchoCode.UNAVAILABLE:
        return Verdict(DeliveryState.PENDING, echo_code, answer)
    if echo_code in SUCCESS_CODES and status < 300:
        return Verdict(DeliveryState.DELIVERED, echo_code, answer)
    if echo_code or status >= 300:
        return Verdict(DeliveryState.REJECTED, echo_code, answer)
    return Verdict(DeliveryState.PENDING, echo_code, answer)


def retry_at(*, tries: int, now: datetime) -> datetime | None:
    """When a message that failed `tries` times is due again, with jitter of a tenth; None when it is dead."""
    if tries > len(RETRY_AFTER_SECONDS):
        return None
    return now + timedelta(seconds=RETRY_AFTER_SECONDS[tries - 1] * random.uniform(0.9, 1.1))


def is_dead(*, tries: int) -> bool:
    return tries > len(RETRY_AFTER_SECONDS)


def _envelope_of(text: str) -> dict[str, Any]:
    try:
        answer = orjson.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
