"""OpenAPI 3 of everything served: each message as its own serializer reads it, and the analysts' API."""

from typing import Any, Final

import django_filters
from django.conf import settings
from django.utils import translation

from analysis.api import LARGEST_PAGE, PAGE_SIZE
from analysis.columns import Column, Kind
from analysis.filters import FILTERS, MomentFilter
from analysis.tables import TABLES, Table
from config.openapi_examples import ANSWERS, EXAMPLES
from config.urls import MESSAGES
from pricing.services import PriceExists
from protocol import fields
from protocol.errors import (
    AccessDenied,
    EchoCode,
    FieldInvalid,
    HeaderInvalid,
    ManufacturerUnknown,
    ProtocolError,
    TimestampOutsideWindow,
    Unavailable,
)
from protocol.models import PeerKind

Schema = dict[str, Any]

ERRORS: Final = {
    EchoCode.SUCCESS: "success",
    EchoCode.HEADER_INVALID: "a header is missing or cannot be read",
    EchoCode.ACCESS_DENIED: "token, authorization, address or kind of peer refused",
    EchoCode.TIMESTAMP_OUTSIDE_WINDOW: "the signed timestamp is outside the window",
    EchoCode.MANUFACTURER_UNKNOWN: "factorNo unknown to this peer",
    EchoCode.PRICE_EXISTS: "1007: the price exists already",
    EchoCode.UNAVAILABLE: "the platform is unavailable: repeat later with the same serialNo",
    EchoCode.REFUSED: "refused: echoMsg names the field and the reason",
}
HEADERS: Final = {
    "AccessToken": "MD5 of appCode + appSecret + timestamp, upper-case hex",
    "Authorization": "Base64 of appCode:timestamp, the timestamp as YYYYMMDDHHMMSS in local time",
}
# 2001 alone answers flat (R3).
FLAT: Final = {
    "2001": ("serialNo", "userNo", "deviceId", "factorNo", "meterNo", "valvecontrol", "currentprice", "remainquantity"),
}
TEXT: Final[Schema] = {"type": "string"}


def without_views(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """For drf-spectacular: nothing is guessed from views; with_everything describes all of them."""
    return []


def with_everything(result: Schema, **kwargs: Any) -> Schema:
    """For drf-spectacular: the paths of all messages and of the analysts' API."""
    with translation.override("en"):
        messages = {f"/{route}": {"post": _message(code, view)} for code, route, view in MESSAGES}
        tables = {f"/api/analysis/{table.name}": {"get": _table(table)} for table in TABLES.values()}
    result["paths"] = {**messages, **tables}
    schemes = {"ApiToken": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token …"}}
    result.setdefault("components", {})["securitySchemes"] = schemes
    return result


def _message(code: str, view: Any) -> Schema:
    caller = "head-end" if view.caller is PeerKind.HEADEND else "CIS"
    body = {"schema": serializer_schema(view.request_serializer()), "example": EXAMPLES[code]}
    errors = "\n".join(f"| {echo} | {said} |" for echo, said in ERRORS.items())
    return {
        "operationId": f"message_{code}",
        "summary": f"{code} {view.__name__}, from a {caller}",
        "description": f"HTTP status 200 and one of these codes.\n\n| echoCode | |\n|---|---|\n{errors}",
        "tags": [f"Messages from a {caller}"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": said, "schema": TEXT}
            for name, said in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": {"description": "the answer", "content": {"application/json": _answer(code)}}},
    }


def _answer(code: str) -> Schema:
    echo: Schema = {"type": "string", "enum": [str(known) for known in ERRORS]}
    if code in FLAT:
        inside: Schema = dict.fromkeys((*FLAT[code], "rdateTime", "echoMsg"), TEXT)
    else:
        inside = {"echoMsg": {"oneOf": [TEXT, {"type": "object", "additionalProperties": True}]}}
    schema: Schema = {"type": "object", "required": ["echoCode"], "properties": {"echoCode": echo, **inside}}
    refused = {error.code.value: {"echoCode": error.code.value, "echoMsg": error.message} for error in _refusals(code)}
    told = {"succeeded": ANSWERS[code], **refused}
    return {"schema": schema, "examples": {name: {"value": value} for name, value in told.items()}}


def _refusals(code: str) -> list[ProtocolError]:
    """One of each code with which this message may be refused."""
    usual: list[ProtocolError] = [
        *(HeaderInvalid("AccessToken"), AccessDenied(), TimestampOutsideWindow()),
        *(ManufacturerUnknown(), Unavailable(), FieldInvalid("meterNo", "必须是 12 位数字")),
    ]
    return [*usual, PriceExists()] if code == "1007" else usual


def serializer_schema(serializer: Any) -> Schema:
    """A request as its serializer reads it: null, "" and a missing key mean "not given"; unknown keys are ignored."""
    read = {name: _field(field) for name, field in serializer.fields.items()}
    required = [name for name, field in serializer.fields.items() if field.required]
    return {"type": "object", "required": required, "properties": read, "additionalProperties": True}


def _field(field: Any) -> Schema:
    match field:
        case fields.ObjectField():
            return {"type": "object", "additionalProperties": True}
        case fields.PercentField():
            return {**TEXT, "description": 'a percentage, with or without "%"; at most 4 decimals'}
        case fields.NumberField():
            sign = "may be negative" if field.signed else "not negative"
            return {**TEXT, "description": f"a number, {sign}; at most {field.integer_digits} digits and 4 decimals"}
        case fields.IntegerField():
            return {**TEXT, "description": f"a whole number from {field.low} to {field.high}"}
        case fields.ChoiceField():
            # What is not required may be left empty as well.
            return {**TEXT, "enum": [*sorted(field.choices), *([] if field.required else [""])]}
        case fields.SerialField():
            return {**TEXT, "minLength": 1, "maxLength": 64, "description": "printable ASCII; spent by success"}
        case fields.PatternField():
            return {**TEXT, "pattern": f"^{field.pattern.pattern}$"}
        case fields.TextField():
            return {**TEXT, "maxLength": field.max_length}
        case fields.DayField():
            return {**TEXT, "description": "YYYY-MM-DD or YYYYMMDD"}
        case fields.TimeOfDayField():
            return {**TEXT, "description": "HHMMSS or HH:MM:SS"}
    return {**TEXT, "description": "YYYYMMDDHHMMSS, YYYYMMDDHHMM, YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, local time"}


def _table(table: Table) -> Schema:
    row = {column.name: _column(column) for column in table.columns}
    page = {
        "type": "object",
        "properties": {
            "next": {**TEXT, "nullable": True},
            "results": {"type": "array", "items": {"type": "object", "properties": row}},
        },
    }
    whole = {"application/json": {"schema": page}, "text/csv": {"schema": TEXT}}
    refused = {
        "type": "object",
        "properties": {"error": TEXT, "detail": TEXT, "fields": {"type": "object", "additionalProperties": True}},
    }
    errors = {
        "400": "a filter is wrong, or too broad",
        "401": "not signed in",
        "403": "no permission",
        "429": "slow down",
    }
    return {
        "operationId": f"analysis_{table.name.replace('-', '_')}",
        "summary": f"{table.model._meta.verbose_name_plural}, by meter and time",
        "tags": ["For analysts"],
        "security": [{"ApiToken": []}],
        "parameters": [*_filters(table), *_options()],
        "responses": {
            "200": {"description": "a page, or the whole result as CSV", "content": whole},
            **{
                status: {"description": said, "content": {"application/json": {"schema": refused}}}
                for status, said in errors.items()
            },
        },
    }


def _filters(table: Table) -> list[Schema]:
    return [
        {"name": name, "in": "query", "description": str(asked.label), "schema": _filter(asked)}
        for name, asked in FILTERS[table.name].base_filters.items()
    ]


def _filter(asked: Any) -> Schema:
    if isinstance(asked, django_filters.ChoiceFilter):
        return {**TEXT, "enum": [str(value) for value, _ in asked.extra["choices"]]}
    if isinstance(asked, MomentFilter):
        return {**TEXT, "description": "YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SS±HH:MM"}
    return TEXT


def _options() -> list[Schema]:
    offered: dict[str, Schema] = {
        "format": {**TEXT, "enum": ["json", "csv"]},
        "page_size": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE},
        "cursor": TEXT,
        "lang": {**TEXT, "enum": ["names", *(code for code, _ in settings.LANGUAGES)]},
        "times": {**TEXT, "enum": ["iso", "local"]},
        "bom": {**TEXT, "enum": ["0", "1"]},
        "gzip": {**TEXT, "enum": ["0", "1"]},
    }
    return [{"name": name, "in": "query", "schema": schema} for name, schema in offered.items()]


def _column(column: Column) -> Schema:
    kinds: dict[Kind, Schema] = {
        Kind.NUMBER: {**TEXT, "example": "12.5000"},
        Kind.INTEGER: {"type": "integer"},
        Kind.FLAG: {"type": "boolean"},
        Kind.MOMENT: {**TEXT, "format": "date-time"},
        Kind.DAY: {**TEXT, "format": "date"},
        Kind.JSON: {"type": "object", "additionalProperties": True},
        Kind.CODE: {"enum": [code for code, _ in column.choices]},
    }
    return {**kinds.get(column.kind, TEXT), "nullable": True, "description": str(column.label)}
