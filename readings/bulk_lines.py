"""Lines of an import: CSV as `export_readings` writes it, and JSON lines of 2001 bodies. Both become reports."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from django.utils import timezone
from rest_framework.serializers import Field, ValidationError

from meters.models import ValveState
from protocol.errors import FieldInvalid, ManufacturerUnknown, Refused
from protocol.fields import ChoiceField, TextField
from protocol.models import Company, Manufacturer
from protocol.parsing import parse_body
from protocol.scope import CompanyUnknown
from readings.intake import Report
from readings.models import Source
from readings.serializers import TELEMETRY_FIELDS, VALVE_STATES, ReportSerializer

# What a file that comes back from `--rejects` has before its own columns.
REJECT_COLUMNS: Final = ("reject_line", "reject_reason")
# Exported, but not taken over: verdicts are made here, and a reading is received when it is imported.
IGNORED_COLUMNS: Final = (*REJECT_COLUMNS, "quality", "received_at")
REQUIRED_COLUMNS: Final = ("meter_no", "read_at", "index")
VALVE_CODES: Final = {state: code for code, state in VALVE_STATES.items()}
# A text of a spreadsheet-safe export that began with one of these has an apostrophe before it.
_FORMULA_SIGNS: Final = "=+-@\t\r"
# So many different texts of a column are remembered with what they mean: most values of telemetry come again.
_REMEMBERED: Final = 10_000


class HeaderInvalid(ValueError):
    """The first line names no columns of an export, or not those that are needed."""


class Line(NamedTuple):
    """One line that can be understood. `data` is a body as ReportSerializer reads it; None for a line of CSV."""

    number: int
    company: Company
    manufacturer: Manufacturer
    meter_no: str
    user_no: str | None
    device_id: str | None
    report: Report
    source: Source = Source.REPORT
    data: dict[str, Any] | None = None


class Parties:
    """Companies and manufacturers by their numbers; `company_code` is that of lines which name none."""

    def __init__(self, *, company_code: str | None = None) -> None:
        self.companies = {company.code: company for company in Company.objects.all()}
        self.manufacturers = {made.factor_no: made for made in Manufacturer.objects.all()}
        self.company_code = company_code

    def company(self, code: str | None) -> Company:
        code = code or self.company_code
        if code is None:
            raise FieldInvalid("companyCode", "不能为空")
        if code not in self.companies:
            raise CompanyUnknown(code)
        return self.companies[code]

    def manufacturer(self, factor_no: str | None) -> Manufacturer:
        if factor_no not in self.manufacturers:
            raise ManufacturerUnknown
        return self.manufacturers[factor_no]


class LineReader(Protocol):
    def __call__(self, number: int, record: Any) -> Line:
        """Raises a ProtocolError that says what is wrong."""
        ...


class JsonReader:
    """Bodies of 2001, each in a line. A serial is neither asked for nor spent: readings are known by themselves."""

    def __init__(self, parties: Parties) -> None:
        self.parties = parties

    def __call__(self, number: int, record: bytes) -> Line:
        message, _ = parse_body(record)
        data = ReportSerializer(data={"serialNo": "-", **_with_serial(message)}).parse()
        return Line(
            number,
            self.parties.company(data.get("companyCode")),
            self.parties.manufacturer(data["factorNo"]),
            data["meterNo"],
            data["userNo"],
            data.get("deviceId"),
            data["report"],
            data=data,
        )


def _with_serial(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "serialNo" or value}


class CsvReader:
    """Rows of cells below a header of stable names, in any order; what is not there is not given."""

    def __init__(self, header: Sequence[str], parties: Parties) -> None:
        self.width = len(header)
        self.parties = parties
        self.places = _places(header)
        self.columns = {name: _Column(name, field) for name, field in _fields().items() if name in self.places}
        self.telemetry = [(name, self.places.get(name), self.columns.get(name)) for name in TELEMETRY_FIELDS]

    def __call__(self, number: int, record: Sequence[str]) -> Line:
        if len(record) != self.width:
            raise Refused(f"列数为 {len(record)}，应为 {self.width}")
        source = Source(self._value("source", record) or Source.REPORT)
        if source == Source.CLOSING:
            raise FieldInvalid("source", "销表或换表的读数不能导入")
        valve = ValveState(self._value("valve", record) or ValveState.UNKNOWN)
        report = Report(
            read_at=self._needed("read_at", record),
            index=self._needed("index", record),
            valve=valve,
            telemetry={
                name: None if place is None or column is None else column(record[place])
                for name, place, column in self.telemetry
            },
        )
        return Line(
            number,
            self.parties.company(self._value("company", record)),
            self.parties.manufacturer(self._value("manufacturer", record)),
            self._needed("meter_no", record),
            self._value("user_no", record),
            self._value("device_id", record),
            report,
            source,
        )

    def _value(self, name: str, record: Sequence[str]) -> Any:
        place = self.places.get(name)
        return None if place is None else self.columns[name](record[place])

    def _needed(self, name: str, record: Sequence[str]) -> Any:
        value = self._value(name, record)
        if value is None:
            raise FieldInvalid(name, "不能为空")
        return value


class _Column:
    """What the texts of one column mean; None for a blank one."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self.read = name, read
        self.known: dict[str, Any] = {"": None}

    def __call__(self, text: str) -> Any:
        try:
            return self.known[text]
        except KeyError:
            value = self._meaning(text)
            if len(self.known) < _REMEMBERED:
                self.known[text] = value
            return value

    def _meaning(self, text: str) -> Any:
        text = text.strip()
        if not text:
            return None
        try:
            return self.read(text)
        except ValidationError as error:
            raise FieldInvalid(self.name, str(error.detail[0])) from None  # type: ignore[index]


def _places(header: Sequence[str]) -> dict[str, int]:
    names = [name.strip() for name in header]
    known = {*_fields(), *IGNORED_COLUMNS}
    if unknown := sorted(set(names) - known):
        raise HeaderInvalid(f"unknown columns {', '.join(unknown)}; expected those of export_readings without --lang")
    if missing := sorted(set(REQUIRED_COLUMNS) - set(names)):
        raise HeaderInvalid(f"without the columns {', '.join(missing)}")
    if len(set(names)) < len(names):
        raise HeaderInvalid("a column comes twice")
    return {name: place for place, name in enumerate(names) if name not in IGNORED_COLUMNS}


def _fields() -> dict[str, Callable[[str], Any]]:
    """By column: the fields of 2001 where there are such, so that both forms obey the same limits."""
    wire = ReportSerializer().fields
    return {
        "company": _text(TextField(max_length=32)),
        "manufacturer": _text(TextField(max_length=64)),
        "meter_no": _text(wire["meterNo"]),
        "user_no": _text(wire["userNo"]),
        "device_id": _text(wire["deviceId"]),
        "read_at": moment_of,
        "index": wire["readNum"].to_internal_value,
        "source": ChoiceField(choices=Source.values).to_internal_value,
        "valve": ChoiceField(choices=ValveState.values).to_internal_value,
        **{name: wire[field].to_internal_value for name, field in TELEMETRY_FIELDS.items()},
    }


def _text(field: Field) -> Callable[[str], str]:
    def read(text: str) -> str:
        quoted = text[:1] == "'" and text[1:2] in _FORMULA_SIGNS and len(text) > 1
        return str(field.to_internal_value(text[1:] if quoted else text))

    return read


def moment_of(text: str) -> datetime:
    """An ISO moment, or local time without an offset: the two forms of an export. Raises FieldInvalid."""
    try:
        moment = datetime.fromisoformat(text)
        moment = (timezone.make_aware(moment) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldInvalid("read_at", "不是有效的日期时间") from None
    if len(text) < len("2026-02-01 12:00:00") or not 1970 <= moment.year <= 9998:
        raise FieldInvalid("read_at", "不是有效的日期时间")
    if moment.microsecond:
        raise FieldInvalid("read_at", "只能精确到秒")
    return moment


def wire_data(line: Line) -> dict[str, Any]:
    """What telling a CIS needs of a line: a body as ReportSerializer reads it."""
    if line.data is not None:
        return line.data
    report = line.report
    local = timezone.localtime(report.read_at)
    told: dict[str, Decimal | None] = {field: report.telemetry[name] for name, field in TELEMETRY_FIELDS.items()}
    return {
        **told,
        "report": report,
        "readNum": report.index,
        "readDate": local.date(),
        "readTime": local.time(),
        "valveState": VALVE_CODES.get(report.valve, ""),
    }
