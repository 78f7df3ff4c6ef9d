"""The base of every served message: view -> signature -> ledger -> serializer -> handle() -> envelope."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.http.request import RawPostDataException, UnreadablePostError
from django.utils import timezone
from psycopg_pool import PoolTimeout
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.views import APIView

from protocol.authentication import PeerAuthentication, admit, credentials_of
from protocol.directory import Directory, Scope, remembered
from protocol.errors import AccessDenied, EchoCode, ProtocolError, Refused, Unavailable
from protocol.fields import MessageSerializer, SerialField, WireSerializer, serial_of
from protocol.ledger import Json, Received, admit_query, execute, record_failure
from protocol.models import Company, Manufacturer, Peer, PeerKind
from protocol.parsing import parse_body
from protocol.scope import company_for, manufacturer_for
from protocol.wire import compact_time

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/json;charset=utf-8"
# In the META of a request that the short way has been tried for (protocol/short_way.py).
TRIED = "das.short_way_tried"


class SerialOnly(WireSerializer):
    serialNo = SerialField()


@dataclass(frozen=True)
class Call:
    """One authenticated message: who sent it, when it came, what it says after validation and as it came."""

    scope: Scope
    serial_no: str
    now: datetime
    data: dict[str, Any]
    message: Mapping[str, Any] = field(default_factory=dict)

    @property
    def peer(self) -> Peer:
        return self.scope.peer

    @cached_property
    def company(self) -> Company:
        return company_for(self.scope, self.data.get("companyCode"))

    @cached_property
    def manufacturer(self) -> Manufacturer:
        return manufacturer_for(self.scope, self.data["factorNo"])

    def receipt(self, *, device_id: str = "") -> Json:
        """The usual success envelope: serialNo, deviceId, rdateTime."""
        return success({"serialNo": self.serial_no, "deviceId": device_id, "rdateTime": compact_time(self.now)})


def success(echo_msg: Json | str) -> Json:
    return {"echoCode": str(EchoCode.SUCCESS), "echoMsg": echo_msg}


def envelope(error: ProtocolError) -> Json:
    return {"echoCode": str(error.code), "echoMsg": error.message}


def json_response(answer: Json, *, status: int = 200) -> HttpResponse:
    return HttpResponse(orjson.dumps(answer), status=status, content_type=CONTENT_TYPE)


class MessageEndpoint(APIView):
    """One message code. A subclass names its code, its caller and its serializer, and answers in `handle`."""

    code: str = ""
    caller: ClassVar[PeerKind] = PeerKind.CIS
    request_serializer: ClassVar[type[MessageSerializer]]
    # Whether `quickly` is worth asking.
    has_short_way: ClassVar[bool] = False

    authentication_classes = (PeerAuthentication,)
    permission_classes = ()

    def handle(self, call: Call) -> Json:
        """Do what the message asks and return the whole answer; raise a ProtocolError to refuse."""
        raise NotImplementedError

    def quickly(self, received: Received, *, directory: Directory) -> Json | None:
        """The answer to a message that a short way suffices for; None, and nothing written, sends it the usual way.

        The caller was let in by `directory`, which is what is remembered: whoever overrides this compares its version
        with the database's in the transaction that does the work.
        """
        return None

    def answer(self, received: Received) -> HttpResponseBase:
        """Execute once per serial, in one transaction with everything that `handle` writes."""
        return json_response(execute(received, lambda: self.handle(self.call_of(received))))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """DRF routes and describes messages; its own request, negotiation and renderers have no part in them."""
        try:
            return self.post(request)
        except Exception as exc:
            return self.handle_exception(exc)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """A wrong method is said before the signature is looked at (R3)."""
        if request.method != "POST":
            raise MethodNotAllowed(request.method or "")
        if settings.MAINTENANCE:
            raise Unavailable
        answer = self._quick_answer(request)
        if answer is not None:
            return json_response(answer)
        peer, scope = PeerAuthentication().authenticate(request)
        if peer.kind != self.caller:
            raise AccessDenied
        return self.take(self.receive(self._body(request), scope=scope))

    def take(self, received: Received) -> HttpResponseBase:
        """Answer a message of an admitted caller. A refusal is recorded, and raised as a ProtocolError."""
        try:
            return self.answer(received)
        except ProtocolError as error:
            record_failure(received, error)
            raise
        except (OperationalError, InterfaceError, PoolTimeout):
            raise
        except Exception:
            logger.exception("message %s %s failed", self.code, received.serial_no)
            failure = Refused("系统异常，请联系管理员")
            record_failure(received, failure)
            raise failure from None

    def _quick_answer(self, request: HttpRequest) -> Json | None:
        if not self.has_short_way or TRIED in request.META:
            return None
        try:
            return self.quick_answer(request.META, self._body(request))
        except Refused:
            # The signature is looked at before the body is.
            return None

    def quick_answer(self, meta: Mapping[str, Any], raw: bytes) -> Json | None:
        """The answer to a request with this META and body, if the short way takes it.

        A refusal is left to the usual way: it alone decides, by what the database says now.
        """
        directory = remembered()
        if directory is None:
            return None
        try:
            scope = admit(meta, credentials_of(meta), directory=directory)
            if scope.peer.kind != self.caller:
                return None
            return self.quickly(self.receive(raw, scope=scope), directory=directory)
        except ProtocolError:
            return None

    def handle_exception(self, exc: Exception) -> Any:
        if isinstance(exc, ProtocolError):
            return json_response(envelope(exc))
        if isinstance(exc, MethodNotAllowed):
            return json_response(envelope(Refused("仅支持 POST 请求")), status=405)
        if isinstance(exc, OperationalError | InterfaceError | PoolTimeout):
            logger.error("database unavailable: %s", exc)
            return json_response(envelope(Unavailable()))
        if not isinstance(exc, APIException):
            logger.error("message %s failed", getattr(self, "code", "?"), exc_info=exc)
        return json_response(envelope(Refused("请求无法处理")))

    @staticmethod
    def _body(request: HttpRequest) -> bytes:
        try:
            return request.body
        except RequestDataTooBig:
            raise Refused("报文过大") from None
        except (UnreadablePostError, RawPostDataException):
            raise Refused("报文不完整") from None

    def receive(self, raw: bytes, *, scope: Scope) -> Received:
        """The message in a body, parsed. Raises Refused, or FieldInvalid for its serial."""
        message, text = parse_body(raw)
        serial_no = serial_of(message.get("serialNo")) or SerialOnly(data=message).parse()["serialNo"]
        return Received(
            scope=scope,
            code=self.code,
            serial_no=serial_no,
            message=message,
            text=text,
            received_at=timezone.now(),
        )

    def call_of(self, received: Received) -> Call:
        """The message as its serializer reads it; raises FieldInvalid."""
        data = self.request_serializer(data=received.message).parse()
        return Call(
            scope=received.scope,
            serial_no=received.serial_no,
            now=received.received_at,
            data=data,
            message=received.message,
        )


class QueryEndpoint(MessageEndpoint):
    """A message that only asks: its serial is checked, its answer is made afresh each time (R5)."""

    def answer(self, received: Received) -> HttpResponseBase:
        call = self.call_of(received)
        answer = self.handle(call)
        admit_query(received)
        return json_response(answer)


class StreamedQueryEndpoint(QueryEndpoint):
    """A query whose answer is too large to hold: `stream` yields it in pieces."""

    def stream(self, call: Call) -> Iterator[bytes]:
        """Check everything that can be refused, then return the pieces of the answer."""
        raise NotImplementedError

    def answer(self, received: Received) -> HttpResponseBase:
        pieces = self.stream(self.call_of(received))
        admit_query(received)
        # The first piece is made here, where a failure still becomes an envelope.
        first = next(pieces)
        return StreamingHttpResponse(chain([first], pieces), content_type=CONTENT_TYPE)
