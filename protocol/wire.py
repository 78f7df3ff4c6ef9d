"""How values are written on the wire (R3): every scalar is a string."""

from datetime import date, datetime
from decimal import Decimal

from django.utils import timezone


def decimal_text(value: Decimal | None, *, missing: str = "0") -> str:
    """At most 4 decimals, no trailing zeros, no exponent: 20.6000 -> "20.6", 0 -> "0"."""
    if value is None:
        return missing
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def local(moment: datetime) -> datetime:
    """In the platform's own zone, whatever zone a page may be shown in."""
    return moment.astimezone(timezone.get_default_timezone())


def compact_time(moment: datetime) -> str:
    """Local YYYYMMDDHHMMSS, as rdateTime is written."""
    return local(moment).strftime("%Y%m%d%H%M%S")


def long_time(moment: datetime | None) -> str:
    """Local yyyy-mm-dd hh:mm:ss, or "" when unknown."""
    return "" if moment is None else local(moment).strftime("%Y-%m-%d %H:%M:%S")


def day_text(day: date) -> str:
    return day.strftime("%Y-%m-%d")
