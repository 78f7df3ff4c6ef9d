"""The serial ledger (R5): a serial is spent in the transaction of the message that succeeds under it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection

from protocol.directory import Scope
from protocol.errors import EchoCode, ProtocolError, SerialReused
from protocol.models import InboundMessage, Peer
from protocol.parsing import digest_of
from protocol.scope import company_for
from protocol.statements import insertion
from protocol.transactions import atomically

Json = dict[str, Any]

_SPEND = """
    INSERT INTO protocol_inboundmessage
        (peer_id, company_id, code, serial_no, digest, succeeded, echo_code, body, answer, received_at)
    VALUES (%s, %s, %s, %s, %s, true, %s, %s, '', %s)
    ON CONFLICT (peer_id, serial_no) WHERE succeeded DO NOTHING
    RETURNING id
"""


# Whether a serial is spent: a scalar for the select list of a statement that has %(peer)s and %(serial_no)s.
SPENT_SQL = """
    EXISTS (SELECT 1 FROM protocol_inboundmessage
            WHERE peer_id = %(peer)s AND serial_no = %(serial_no)s AND succeeded)
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

    Two at once: the second waits at the unique index for the first, then finds its answer (or, if the first
    failed, executes). Raises SerialReused for another message under a spent serial, and what `handle` raises.
    """
    row = _spend(received)
    if row is None:
        return json.loads(_spent_row(received).answer)
    answer = handle()
    InboundMessage.objects.filter(pk=row).update(answer=json.dumps(answer, ensure_ascii=False))
    return answer


@cache
def spend_with_answer() -> str:
    """Spend a serial and keep its answer, as part of a statement that is given `spending`.

    IntegrityError when another has spent it meanwhile: then nothing of the transaction has happened.
    """
    columns = ("peer_id", "company_id", "code", "serial_no", "digest", "body", "answer", "received_at")
    values = {name: f"%(spent_{name})s" for name in columns}
    return insertion(InboundMessage, {**values, "succeeded": "true", "echo_code": f"'{EchoCode.SUCCESS.value}'"})


def spending(received: Received, answer: Json) -> dict[str, Any]:
    return {
        "spent_peer_id": received.peer.pk,
        "spent_company_id": received.company_id,
        "spent_code": received.code,
        "spent_serial_no": received.serial_no,
        "spent_digest": received.digest,
        "spent_body": received.text,
        "spent_answer": json.dumps(answer, ensure_ascii=False),
        "spent_received_at": received.received_at,
    }


def admit_query(received: Received) -> None:
    """Spend the serial of a query, or accept a repeat of it: queries are answered afresh (R5)."""
    if _spend(received) is None:
        _spent_row(received)


def record_failure(received: Received, error: ProtocolError) -> None:
    """Log a refused message; its serial stays free."""
    InboundMessage.objects.create(
        peer=received.peer,
        company_id=received.company_id,
        code=received.code,
        serial_no=received.serial_no,
        digest=received.digest,
        succeeded=False,
        echo_code=error.code,
        body=received.text,
        answer=error.message,
        received_at=received.received_at,
    )


def forget_serials(*, now: datetime, batch: int = 10_000) -> int:
    """Delete messages older than SERIAL_RETENTION_DAYS; returns how many. Their serials are free again."""
    limit = now - timedelta(days=settings.SERIAL_RETENTION_DAYS)
    forgotten = 0
    while True:
        oldest = InboundMessage.objects.filter(received_at__lt=limit).order_by("received_at").values("pk")[:batch]
        deleted, _ = InboundMessage.objects.filter(pk__in=oldest).delete()
        forgotten += deleted
        if deleted < batch:
            return forgotten


def _spend(received: Received) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            _SPEND,
            [
                received.peer.pk,
                received.company_id,
                received.code,
                received.serial_no,
                received.digest,
                EchoCode.SUCCESS,
                received.text,
                received.received_at,
            ],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _spent_row(received: Received) -> InboundMessage:
    row = InboundMessage.objects.get(peer=received.peer, serial_no=received.serial_no, succeeded=True)
    if bytes(row.digest) != received.digest:
        raise SerialReused(received.serial_no)
    return row
