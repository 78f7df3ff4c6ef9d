"""GET /api/analysis/…: pages of JSON, or with format=csv the whole result as a stream. Read only."""

from typing import Any, ClassVar, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from analysis.access import ByToken, MayExport
from analysis.copying import Shape, csv_pieces
from analysis.filters import FilterInvalid, UnknownFilter, filtered
from analysis.pages import CursorInvalid, page_of
from analysis.tables import ALARMS, COMMANDS, DAILY_USAGE, METERS, READINGS, Table
from staff.acts import put_on_record
from staff.patience import TOO_LONG, TookTooLong, at_most

PAGE_SIZE, LARGEST_PAGE = 500, 5_000
PATIENCE_MS = 5_000
OPTIONS = ("format", "page_size", "cursor", "lang", "times", "bom", "gzip")
YES_NO = {"": False, "0": False, "false": False, "1": True, "true": True}


class JsonThrottle(UserRateThrottle):
    scope = "analysis"
    rate = "600/min"


class CsvThrottle(UserRateThrottle):
    """A stream keeps a thread of the web server busy."""

    scope = "analysis-csv"
    rate = "30/min"


class TooBroad(exceptions.APIException):
    status_code = 400
    default_code = "too_broad"


class ByFormat(BaseContentNegotiation):
    """The parameter `format` alone decides: a program's Accept header is often wrong."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return JSONRenderer(), "application/json"


class TableView(APIView):
    table: ClassVar[Table]
    authentication_classes = (ByToken, SessionAuthentication)
    permission_classes = (MayExport,)
    content_negotiation_class = ByFormat

    def get_throttles(self) -> list[Any]:
        return [CsvThrottle() if self.request.GET.get("format") == "csv" else JsonThrottle()]

    def get(self, request: Request) -> HttpResponseBase:
        asked = {name: str(value) for name, value in request.query_params.items() if name not in OPTIONS}
        try:
            rows = filtered(self.table.rows(user=request.user), table=self.table, asked=asked, user=request.user)
        except UnknownFilter as error:
            raise _invalid({name: [_("There is no such filter.")] for name in error.names}) from None
        except FilterInvalid as error:
            raise _invalid(error.problems) from None
        form = _chosen(request, "format", {"json": "json", "csv": "csv"}, "json")
        return self._csv(request, rows, asked) if form == "csv" else self._json(request, rows)

    def handle_exception(self, exc: Exception) -> Response:
        """{"error": code, "detail": text, "fields": {name: [text]}}"""
        response = super().handle_exception(exc)
        fields = response.data if isinstance(response.data, dict) and "detail" not in response.data else {}
        codes = exc.get_codes() if isinstance(exc, exceptions.APIException) else "invalid"
        detail = "" if fields else str(response.data["detail"])
        response.data = {
            "error": codes if isinstance(codes, str) else "invalid",
            "detail": detail or "; ".join(f"{name}: {' '.join(map(str, said))}" for name, said in fields.items()),
            "fields": fields,
        }
        return response

    def _json(self, request: Request, rows: QuerySet[Any]) -> Response:
        size = _page_size(request)
        try:
            with at_most(PATIENCE_MS):
                page = page_of(rows, table=self.table, size=size, cursor=request.query_params.get("cursor"))
        except CursorInvalid:
            raise _invalid({"cursor": [_("Not a cursor of this table.")]}) from None
        except TookTooLong:
            raise TooBroad(TOO_LONG) from None
        return Response({"next": self._next(request, page.next_cursor), "results": page.rows})

    def _next(self, request: Request, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        query = request.query_params.copy()
        query["cursor"] = cursor
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

    def _csv(self, request: Request, rows: QuerySet[Any], asked: dict[str, str]) -> StreamingHttpResponse:
        languages = {"names": None, **{code: code for code, _name in settings.LANGUAGES}}
        shape = Shape(
            language=_chosen(request, "lang", languages, "names"),
            local_times=_chosen(request, "times", {"iso": False, "local": True}, "iso"),
            bom=_chosen(request, "bom", YES_NO, ""),
            gzip=_chosen(request, "gzip", YES_NO, ""),
        )
        told = {"table": self.table.name, "filters": asked, "by": "token" if request.auth else "session"}
        by = cast(User, request.user)
        put_on_record(by=by, act="export.stream", target=by, after=told)
        response = StreamingHttpResponse(
            csv_pieces(rows, table=self.table, shape=shape),
            content_type="application/gzip" if shape.gzip else "text/csv; charset=utf-8",
        )
        response["Content-Disposition"] = f'attachment; filename="{self.table.name}{shape.suffix}"'
        return response


def _invalid(problems: dict[str, list[str]]) -> exceptions.ValidationError:
    return exceptions.ValidationError(problems)


def _page_size(request: Request) -> int:
    text = request.query_params.get("page_size", str(PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= LARGEST_PAGE and len(text) <= 6):
        raise _invalid({"page_size": [_("A number from 1 to %(largest)d.") % {"largest": LARGEST_PAGE}]})
    return int(text)


def _chosen(request: Request, name: str, choices: dict[str, Any], default: str) -> Any:
    value = request.query_params.get(name, default)
    if value not in choices:
        raise _invalid({name: [_("One of: %(choices)s.") % {"choices": ", ".join(filter(None, choices))}]})
    return choices[value]


class Readings(TableView):
    table = READINGS


class DailyUsage(TableView):
    table = DAILY_USAGE


class Meters(TableView):
    table = METERS


class Alarms(TableView):
    table = ALARMS


class Commands(TableView):
    table = COMMANDS


VIEWS = (Readings, DailyUsage, Meters, Alarms, Commands)
