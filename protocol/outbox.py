"""The outbox: a message to a peer is a row, written in the transaction of what it tells (R15)."""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, Protocol

import orjson
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError as BrokerUnavailable

from protocol.directory import current
from protocol.models import Company, Manufacturer, OutboundMessage, Peer
from protocol.statements import copied, copying, insertion

logger = logging.getLogger(__name__)

DELIVER_TASK = "protocol.deliver"
NUDGE_INTERVAL_SECONDS = 0.5
NUDGE_PAUSE_SECONDS = 30.0
_COPIED = ("peer_id", "company_id", "code", "lane", "serial_no", "body", "created_at")


class AnswerReader(Protocol):
    """Takes a message that is delivered, rejected or dead (`message.state`), and the peer's answer ({} for none).

    Runs in the transaction that records the end of the message.
    """

    def __call__(self, *, message: OutboundMessage, answer: dict[str, Any], now: datetime) -> None: ...


class Ended(NamedTuple):
    """What a reader of many answers is told of a message; making the model of each took longer than sending it."""

    pk: int
    lane: int
    state: str
    created_at: datetime


class Answered(NamedTuple):
    """A message that has ended (`message.state`) and the peer's answer to it ({} for none)."""

    message: Ended
    answer: dict[str, Any]


class BatchAnswerReader(Protocol):
    """An AnswerReader for many messages of one code at once, in one transaction (settings.OUTBOX_BATCH_ANSWER_READERS).

    When it fails, the transaction is undone and the AnswerReader of the code takes them one by one.
    """

    def __call__(self, *, answers: Sequence[Answered], now: datetime) -> None: ...


@cache
def _imported(path: str) -> Any:
    return import_string(path)


def answer_reader(code: str) -> AnswerReader | None:
    """Who reads the answers to messages of `code`: settings.OUTBOX_ANSWER_READERS, since this app knows no other."""
    path = settings.OUTBOX_ANSWER_READERS.get(code)
    return _imported(path) if path else None


def cis_peers(company: Company, manufacturer: Manufacturer) -> list[Peer]:
    """The CIS that take calls about meters of `manufacturer` at `company`, by the scope in which they may call (R1).

    A disabled one is owed its messages until it is enabled again.
    """
    return current().cis_peers(company.pk, manufacturer.pk)


def headend_of(manufacturer: Manufacturer, company: Company) -> Peer | None:
    """The head-end that takes messages for meters of `manufacturer` at `company`; None when none has a URL (R14)."""
    return current().headend(company.pk, manufacturer.pk)


def new_serial(*, now: datetime) -> str:
    """32 hexadecimal digits; the first 12 tell the time, so that new ones lie together in the index."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"


def _text(serial_no: str, body: dict[str, Any]) -> str:
    return orjson.dumps({"serialNo": serial_no, **body}).decode()


def enqueue(
    *,
    peer: Peer,
    company_id: int | None,
    code: str,
    lane: int,
    body: dict[str, Any],
    now: datetime,
    once_only: bool = False,
) -> OutboundMessage:
    """Write one message to `peer`; it is sent after the running transaction commits.

    `body` is the message without its serial, all scalars as strings. `lane` orders: the meter's id. `company_id` is
    whose meter it is about: a peer may serve several. What is `once_only` is tried as often as needed, but nobody can
    send it again once it is dead or rejected.
    """
    serial_no = new_serial(now=now)
    message = OutboundMessage.objects.create(
        peer=peer,
        company_id=company_id,
        code=code,
        serial_no=serial_no,
        lane=lane,
        once_only=once_only,
        body=_text(serial_no, body),
        created_at=now,
    )
    transaction.on_commit(nudge)
    return message


class Owed(NamedTuple):
    """A message to be written, as `enqueue` is given it."""

    peer: Peer
    company_id: int
    code: str
    lane: int
    body: dict[str, Any]


def enqueue_all(messages: Iterable[Owed], *, now: datetime) -> int:
    """Write many messages in one go, in this order; returns how many."""
    statement, rest = copying(OutboundMessage, _COPIED)
    count = 0
    with copied(statement) as copy:
        for peer, company_id, code, lane, body in messages:
            serial_no = new_serial(now=now)
            copy.write_row((peer.pk, company_id, code, lane, serial_no, _text(serial_no, body), now, *rest))
            count += 1
    if count:
        transaction.on_commit(nudge)
    return count


@cache
def owed() -> str:
    """One message to each of several peers, as part of a statement that is given `owing`.

    Whoever executes it calls `nudge` after the commit.
    """
    columns = ("company_id", "code", "lane", "created_at")
    values = {name: f"%(owed_{name})s" for name in columns}
    values |= {"peer_id": "peer_id", "serial_no": "serial_no", "body": "body"}
    source = "FROM json_to_recordset(%(owed)s::json) AS owed (peer_id bigint, serial_no text, body text)"
    return insertion(OutboundMessage, values, source=source)


def owing(
    peers: Sequence[Peer], *, company_id: int, code: str, lane: int, body: dict[str, Any], now: datetime
) -> dict[str, Any]:
    owed = []
    for peer in peers:
        serial_no = new_serial(now=now)
        owed.append({"peer_id": peer.pk, "serial_no": serial_no, "body": _text(serial_no, body)})
    return {
        "owed": orjson.dumps(owed).decode(),
        "owed_company_id": company_id,
        "owed_code": code,
        "owed_lane": lane,
        "owed_created_at": now,
    }


class _NudgePace:
    """Remembers, per process, when the worker may be nudged next."""

    next_at = 0.0


def nudge(*, clock: Callable[[], float] = time.monotonic) -> None:
    """Tell a worker that something is due. Only a hint: the beat sweep finds what a lost nudge left.

    At most one per half second and process; a broker that cannot be reached is left alone for a while.
    """
    if not settings.OUTBOX_NUDGE or clock() < _NudgePace.next_at:
        return
    _NudgePace.next_at = clock() + NUDGE_INTERVAL_SECONDS
    try:
        current_app.send_task(DELIVER_TASK, retry=False, expires=settings.OUTBOX_LEASE_SECONDS)
    except (BrokerUnavailable, OSError):
        _NudgePace.next_at = clock() + NUDGE_PAUSE_SECONDS
        logger.warning("broker unreachable: outbound messages wait for the next sweep")
