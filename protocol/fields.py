"""Fields of request serializers: lenient in form, strict in value (R6). All errors are in Chinese, as on the wire."""

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from protocol.errors import FieldInvalid

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_SERIAL = re.compile(r"[!-~]{1,64}")
_DAY = re.compile(r"[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The usual ways to write a time of day; strptime, which knows more of them, takes ten times as long.
_TIME = re.compile(r"([01][0-9]|2[0-3])(:?)([0-5][0-9])\2([0-5][0-9])")
_TIME_FORMATS = ("%H%M%S", "%H:%M:%S")
_MOMENT_FORMATS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 10: "%Y-%m-%d", 19: "%Y-%m-%d %H:%M:%S"}


class WireField(serializers.Field):
    """A scalar that arrives as text (the parser turns JSON numbers into their text)."""

    default_error_messages = {"required": "不能为空", "scalar": "必须是字符串或数字"}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("scalar")
        return self.read(data)

    def read(self, text: str) -> Any:
        raise NotImplementedError

    def to_representation(self, value: Any) -> Any:
        return value


class TextField(WireField):
    default_error_messages = {"max_length": "长度不能超过 {max_length}", "text": "含有不允许的字符"}

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def read(self, text: str) -> str:
        if len(text) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self.fail("text")
        return text


def serial_of(value: Any) -> str | None:
    """A serial as it stands in a message; None for what SerialField would trim or refuse."""
    return value if isinstance(value, str) and _SERIAL.fullmatch(value) else None


class SerialField(WireField):
    """1-64 printable ASCII characters without spaces (R5)."""

    default_error_messages = {"serial": "必须是 1-64 位可见 ASCII 字符"}

    def read(self, text: str) -> str:
        if not _SERIAL.fullmatch(text):
            self.fail("serial")
        return text


class PatternField(WireField):
    def __init__(self, *, pattern: str, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pattern = re.compile(pattern)
        self.error_messages["pattern"] = reason

    def read(self, text: str) -> str:
        if not self.pattern.fullmatch(text):
            self.fail("pattern")
        return text


class ChoiceField(WireField):
    default_error_messages = {"choice": "的值 {value} 无效"}

    def __init__(self, *, choices: Collection[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = frozenset(choices)

    def read(self, text: str) -> str:
        if text not in self.choices:
            self.fail("choice", value=text[:20])
        return text


class NumberField(WireField):
    """A finite decimal with at most 4 decimals: refused, never rounded, when there are more (R6)."""

    default_error_messages = {
        "number": "不是有效的数字",
        "negative": "不能为负数",
        "decimals": "最多保留 4 位小数",
        "digits": "数值过大",
    }

    def __init__(self, *, integer_digits: int = 10, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.integer_digits = integer_digits
        self.signed = signed

    def read(self, text: str) -> Decimal:
        if not _NUMBER.fullmatch(text):
            self.fail("number")
        value = Decimal(text)
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -4:
            self.fail("decimals")
        if value and value.adjusted() >= self.integer_digits:
            self.fail("digits")
        if value < 0 and not self.signed:
            self.fail("negative")
        return value + 0  # drops the sign of -0


class PercentField(NumberField):
    """A percentage with or without its sign: "59.0%" -> 59.0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(integer_digits=3, **kwargs)

    def read(self, text: str) -> Decimal:
        return super().read(text.removesuffix("%").rstrip())


class IntegerField(WireField):
    default_error_messages = {"integer": "必须是 {low}-{high} 的整数"}

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high = low, high

    def read(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not self.low <= int(text) <= self.high:
            self.fail("integer", low=self.low, high=self.high)
        return int(text)


def _first_format(text: str, formats: Collection[str]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  (a local date or time by the interface)
        except ValueError:
            continue
    return None


def parse_day(text: str) -> date | None:
    """YYYY-MM-DD or YYYYMMDD; None when it is neither or lies outside the years 1970-9998."""
    if not _DAY.fullmatch(text):
        return None
    digits = text.replace("-", "")
    try:
        parsed = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return parsed if 1970 <= parsed.year <= 9998 else None


class DayField(WireField):
    default_error_messages = {"day": "不是有效的日期"}

    def read(self, text: str) -> date:
        day = parse_day(text)
        if day is None:
            self.fail("day")
        return day


class TimeOfDayField(WireField):
    default_error_messages = {"time": "不是有效的时间"}

    def read(self, text: str) -> time:
        usual = _TIME.fullmatch(text)
        if usual:
            return time(int(usual[1]), int(usual[3]), int(usual[4]))
        parsed = _first_format(text, _TIME_FORMATS) if len(text) in (6, 8) else None
        if parsed is None:
            self.fail("time")
        return parsed.time()


class MomentField(WireField):
    """sdateTime: an aware moment from any of the four forms of R6, read as local time."""

    default_error_messages = {"moment": "不是有效的日期时间"}

    def read(self, text: str) -> datetime:
        day = parse_day(text) if len(text) == 10 else None
        if day is not None:
            return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001  (local by the interface)
        form = _MOMENT_FORMATS.get(len(text))
        parsed = _first_format(text, [form]) if form else None
        if parsed is None or not 1970 <= parsed.year <= 9998:
            self.fail("moment")
        return timezone.make_aware(parsed)


class ObjectField(serializers.Field):
    """A JSON object, handed on as it is for its own reader to judge."""

    default_error_messages = {"required": "不能为空", "object": "必须是 JSON 对象"}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("object")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def given(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `data` gives, with texts trimmed: null, "" and blanks mean "not given" (R6)."""
    trimmed = {key: value.strip() if isinstance(value, str) else value for key, value in data.items()}
    return {key: value for key, value in trimmed.items() if value is not None and value != ""}


class WireSerializer(serializers.Serializer):
    """Trims every text, takes null, "" and a missing key for "not given", ignores unknown keys (R6)."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return super().to_internal_value(given(data))

    def parse(self) -> dict[str, Any]:
        """The validated data; raises FieldInvalid (9999) for the first field that is wrong."""
        data = self._read_at_once()
        if data is not None:
            return data
        if not self.is_valid():
            field, reasons = next(iter(self.errors.items()))
            raise FieldInvalid(str(field), str(reasons[0]))
        return self.validated_data

    def _read_at_once(self) -> dict[str, Any] | None:
        """What `is_valid` would find, from the same fields but without DRF's way to them, which takes most of the time.

        None when something is missing or wrong: then DRF says what.
        """
        data = {}
        try:
            for name, field in self._declared_fields.items():
                value = self.initial_data.get(name)
                if isinstance(value, str):
                    value = value.strip()
                if value is not None and value != "":
                    data[name] = field.to_internal_value(value)
                elif field.required:
                    return None
        except serializers.ValidationError:
            return None
        return data


class MessageSerializer(WireSerializer):
    """What nearly every message has. Paths, companies and manufacturers are resolved by the endpoint."""

    serialNo = SerialField()
    companyCode = TextField(max_length=32, required=False)
    factorNo = TextField(max_length=64)
