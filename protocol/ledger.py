"""The serial ledger (R5): a serial is spent in the transaction of the message that succeeds under it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q

from protocol.directory import Scope
from protocol.errors import EchoCode, ProtocolError, SerialReused
from protocol.models import InboundMessage, InboundSerial, Peer
from protocol.parsing import digest_of
from protocol.scope import company_for
from protocol.statements import insertion
from protocol.transactions import atomically

Json = dict[str, Any]

_SPEND = """
    INSERT INTO protocol_inboundserial (serial_no, peer_id, received_at) VALUES (%s, %s, %s)
    ON CONFLICT (serial_no, peer_id) DO NOTHING
"""
# Whether a serial is spent: a scalar for the select list of a statement that has %(peer)s and %(serial_no)s.
SPENT_SQL = """
    EXISTS (SELECT 1 FROM protocol_inboundserial WHERE serial_no = %(serial_no)s AND peer_id = %(peer)s)
"""
_FORGET = """
    DELETE FROM protocol_inboundserial WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM protocol_inboundserial WHERE received_at < %s ORDER BY received_at LIMIT %s))
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came in: parsed, and the text it was parsed from."""

    scope: Scope
    code: str
    serial_no: str
    message: Mapping[str, Any]
    text: str
    received_at: datetime

    @property
    def peer(self) -> Peer:
        return self.scope.peer

    @property
    def company_id(self) -> int | None:
        """The company that the message is about; None when it names none that the peer speaks for."""
        code = self.message.get("companyCode")
        try:
            return company_for(self.scope, None if code is None else str(code).strip()).pk
        except ProtocolError:
            return None

    @property
    def digest(self) -> bytes:
        return digest_of(self.code, self.message)


@atomically
def execute(received: Received, handle: Callable[[], Json]) -> Json:
    """Run `handle` once per serial and keep its answer; a repeat gets the stored answer.

    Two at once: the second waits at the serial's key for the first, then finds its answer (or, if the first
    failed, executes). Raises SerialReused for another message under a spent serial, and what `handle` raises.
    """
    if not _spend(received):
        return orjson.loads(_spent_message(received).answer)
    answer = handle()
    _keep(received, answer=orjson.dumps(answer).decode())
    return answer


@cache
def spend_with_answer() -> str:
    """Spend a serial and keep its answer: two members of the WITH of a statement that is given `spending`.

    IntegrityError when another has spent it meanwhile: then nothing of the transaction has happened.
    """
    return f"spent AS ({_spent()}), kept AS ({_kept()})"


@cache
def _spend_a_query() -> str:
    """The same for a statement of its own, which writes nothing when the serial is spent."""
    once = f"{_spent()} ON CONFLICT (serial_no, peer_id) DO NOTHING RETURNING serial_no"
    return f"WITH spent AS ({once}) {_kept(source='FROM spent')}"


def _spent() -> str:
    return insertion(InboundSerial, _parameters("serial_no", "peer_id", "received_at"))


def _kept(*, source: str = "") -> str:
    values = _parameters("peer_id", "company_id", "code", "serial_no", "digest", "body", "answer", "received_at")
    succeeded = {"succeeded": "true", "echo_code": f"'{EchoCode.SUCCESS.value}'"}
    return insertion(InboundMessage, {**values, **succeeded}, source=source)


def _parameters(*columns: str) -> dict[str, str]:
    return {name: f"%(spent_{name})s" for name in columns}


def spending(received: Received, answer: Json) -> dict[str, Any]:
    return _spending(received, orjson.dumps(answer).decode())


def _spending(received: Received, answer: str) -> dict[str, Any]:
    return {
        "spent_peer_id": received.peer.pk,
        "spent_company_id": received.company_id,
        "spent_code": received.code,
        "spent_serial_no": received.serial_no,
        "spent_digest": received.digest,
        "spent_body": received.text,
        "spent_answer": answer,
        "spent_received_at": received.received_at,
    }


def admit_query(received: Received) -> None:
    """Spend the serial of a query, or accept a repeat of it: queries are answered afresh (R5)."""
    with connection.cursor() as cursor:
        cursor.execute(_spend_a_query(), _spending(received, ""))
        spent = cursor.rowcount
    if not spent:
        _spent_message(received)


def record_failure(received: Received, error: ProtocolError) -> None:
    """Log a refused message; its serial stays free."""
    _keep(received, answer=error.message, echo_code=error.code)


def is_spent(*, peer_id: int, serial_no: str) -> bool:
    return InboundSerial.objects.filter(serial_no=serial_no, peer_id=peer_id).exists()


def under_serial(serial_no: str) -> Q:
    """The inbound messages of a serial, of whatever peer: refused ones, and one that spent it within its window."""
    spent = InboundSerial.objects.filter(serial_no=serial_no).values_list("received_at", flat=True)
    return Q(serial_no=serial_no) & (Q(succeeded=False) | Q(succeeded=True, received_at__in=list(spent)))


def forget_serials(*, now: datetime, batch: int = 10_000) -> int:
    """Free serials spent more than SERIAL_RETENTION_DAYS ago (R5); returns how many.

    Their messages stay until their partition goes.
    """
    limit = now - timedelta(days=settings.SERIAL_RETENTION_DAYS)
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_FORGET, [limit, batch])
            deleted = cursor.rowcount
        forgotten += deleted
        if deleted < batch:
            return forgotten


def _spend(received: Received) -> bool:
    """False when it was spent before."""
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, [received.serial_no, received.peer.pk, received.received_at])
        return bool(cursor.rowcount)


def _keep(received: Received, *, answer: str, echo_code: str = EchoCode.SUCCESS) -> None:
    InboundMessage.objects.create(
        peer=received.peer,
        company_id=received.company_id,
        code=received.code,
        serial_no=received.serial_no,
        digest=received.digest,
        succeeded=echo_code == EchoCode.SUCCESS,
        echo_code=echo_code,
        body=received.text,
        answer=answer,
        received_at=received.received_at,
    )


def _spent_message(received: Received) -> InboundMessage:
    """The message that spent the serial of this one; SerialReused when it was another, or is not kept any more."""
    serial = InboundSerial.objects.get(serial_no=received.serial_no, peer=received.peer)
    message = InboundMessage.objects.filter(
        received_at=serial.received_at, peer=received.peer, serial_no=received.serial_no, succeeded=True
    ).first()
    if message is None or bytes(message.digest) != received.digest:
        raise SerialReused(received.serial_no)
    return message
