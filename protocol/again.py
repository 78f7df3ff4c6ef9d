"""A message that was refused is taken once more, by staff who have mended what it was refused for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.urls import resolve, reverse

from protocol.directory import current
from protocol.endpoint import MessageEndpoint, QueryEndpoint, envelope
from protocol.errors import EchoCode, ProtocolError, Unavailable
from protocol.ledger import Received, is_spent
from protocol.models import InboundMessage
from protocol.parsing import parse_body


class NotAgain(ValueError):
    """Why a message is not processed again: nothing has changed."""


class SucceededAlready(NotAgain):
    """It succeeded itself, or its serial has been spent by a later message of its peer."""


class OnlyAsked(NotAgain):
    """A query changes nothing, and nobody waits for its answer any more."""


class SenderGone(NotAgain):
    """Its peer is out of use, or of another kind by now."""


@dataclass(frozen=True, slots=True)
class Processed:
    """The answer that the peer would have got: its echo code, and its echoMsg as it is on the wire."""

    echo_code: str
    echo_msg: Any

    @property
    def succeeded(self) -> bool:
        return self.echo_code == EchoCode.SUCCESS


def why_not(message: InboundMessage) -> type[NotAgain] | None:
    """What stands against processing a message again; None when nothing does."""
    if message.succeeded or is_spent(peer_id=message.peer_id, serial_no=message.serial_no):
        return SucceededAlready
    endpoint = _endpoint(message.code)
    if isinstance(endpoint, QueryEndpoint):
        return OnlyAsked
    return None if message.peer.is_active and message.peer.kind == endpoint.caller else SenderGone


@transaction.atomic
def process_again(message: InboundMessage, *, now: datetime) -> Processed:
    """Take the stored body as if its peer had sent it at `now`, by the endpoint of its code and under its own serial.

    It is not signed again: it was admitted when it came. The row of its refusal stays; this leaves a row of its own,
    which spends the serial when it succeeds, so that whatever comes under this serial later finds that answer (R5).
    Two at once: the second waits for the first. Raises a NotAgain, or Unavailable during maintenance.
    """
    if settings.MAINTENANCE:
        raise Unavailable
    message = InboundMessage.objects.select_for_update(of=("self",)).select_related("peer").get(pk=message.pk)
    against = why_not(message)
    if against is not None:
        raise against
    parsed, text = parse_body(message.body.encode())
    received = Received(
        scope=current().scopes[message.peer.app_code],
        code=message.code,
        serial_no=message.serial_no,
        message=parsed,
        text=text,
        received_at=now,
    )
    try:
        # Only a query streams its answer.
        answer = orjson.loads(cast(HttpResponse, _endpoint(message.code).take(received)).content)
    except ProtocolError as error:
        answer = envelope(error)
    return Processed(answer["echoCode"], answer["echoMsg"])


def _endpoint(code: str) -> MessageEndpoint:
    view: Any = resolve(reverse(code)).func
    endpoint: MessageEndpoint = view.cls(**view.initkwargs)
    return endpoint
