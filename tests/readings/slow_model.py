"""Settlement as an accountant would do it by hand, written from R7, R9 and R10: slow, and plain to see.

All moments are naive local time, all numbers exact. Nothing here is shared with the code under test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor


@dataclass(frozen=True)
class Version:
    """Tiers as (end in m3, CNY/m3), the last without an end; from `begins` on, or from ever."""

    tiers: tuple[tuple[Decimal | None, Decimal], ...]
    months: int
    begins: date | None = None
    restarts: bool = False


@dataclass(frozen=True)
class Seen:
    """A reading: an index at a moment."""

    moment: datetime
    index: Decimal


@dataclass(frozen=True)
class Life:
    """A meter: when it began, at which index, with what already used, and its prices, each from a day on."""

    born: datetime
    index: Decimal
    used_before: Decimal
    prices: tuple[tuple[date, tuple[Version, ...]], ...]
    jump_limit: int


@dataclass(frozen=True)
class Row:
    day: date
    tier: int
    volume: Decimal
    unit_price: Decimal
    amount: Decimal


def verdicts(life: Life, seen: Sequence[Seen], decided: Mapping[Seen, str] | None = None) -> dict[Seen, str]:
    """`seen` in order of arrival, `decided` by the staff. The same reading again is not a reading."""
    result: dict[Seen, str] = {}
    last: Seen | None = None
    distinct = list(dict.fromkeys(seen))
    for reading in sorted(distinct, key=lambda one: (one.moment, distinct.index(one))):
        result[reading] = _verdict(life, reading, last, (decided or {}).get(reading, ""))
        if result[reading] == "valid":
            last = reading
    return result


def _verdict(life: Life, reading: Seen, last: Seen | None, decision: str) -> str:
    if decision == "rejected":
        return "rejected"
    if reading.moment < life.born:
        return "early"
    if last is not None and last.moment == reading.moment:
        return "conflict"
    since, index = (life.born, life.index) if last is None else (last.moment, last.index)
    if reading.index < index:
        return "decrease"
    if decision == "accepted":
        return "valid"
    allowed, until = life.jump_limit, since + timedelta(days=1)
    while until < reading.moment:
        allowed, until = allowed + life.jump_limit, until + timedelta(days=1)
    return "jump" if reading.index - index > allowed else "valid"


def rows(life: Life, seen: Sequence[Seen], *, through: date) -> list[Row]:
    """The daily usage of every day up to `through`."""
    closing: dict[date, Decimal] = {}
    judged = verdicts(life, seen)
    for reading in sorted(judged, key=lambda one: (one.moment, one.index)):
        if judged[reading] == "valid" and reading.moment.date() <= through:
            closing[reading.moment.date()] = reading.index
    result: list[Row] = []
    previous = life.index
    volumes: dict[date, Decimal] = {}
    for day, index in sorted(closing.items()):
        version, restarts = _version(life, day)
        used = _used_before(life, volumes, day, version, restarts)
        volumes[day] = index - previous
        result += _split(version, day, used, volumes[day])
        previous = index
    return result


def _version(life: Life, day: date) -> tuple[Version, list[date]]:
    """What holds on `day`, and the days up to it on which a version of that price restarted the cycle."""
    versions = next(versions for starts, versions in sorted(life.prices, reverse=True) if starts <= day)
    begun = [version for version in versions if version.begins is None or version.begins <= day]
    latest = max(begun, key=lambda version: version.begins or date.min)
    return latest, [version.begins for version in begun if version.restarts and version.begins]


def _used_before(
    life: Life, volumes: dict[date, Decimal], day: date, version: Version, restarts: list[date]
) -> Decimal:
    start = max([cycle_start(day, version.months), *restarts])
    used = sum((volume for earlier, volume in volumes.items() if earlier >= start), Decimal(0))
    return used + life.used_before if start <= life.born.date() else used


def cycle_start(day: date, months: int) -> date:
    """Walks in blocks of `months` from January 2000 to the block that holds `day`."""
    year, month = 2000, 1
    while True:
        next_year, next_month = year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1
        if date(next_year, next_month, 1) > day:
            return date(year, month, 1)
        year, month = next_year, next_month


def _split(version: Version, day: date, used: Decimal, volume: Decimal) -> list[Row]:
    """Fills the tiers from where the cycle stands, each up to its end and no further."""
    tier = 0
    if volume == 0:
        while not _holds(version.tiers[tier][0], used):
            tier += 1
        return [_row(version, day, tier, Decimal(0))]
    result = []
    while volume > 0:
        end = version.tiers[tier][0]
        room = volume if end is None else max(end - used, Decimal(0))
        part = min(volume, room)
        if part > 0:
            result.append(_row(version, day, tier, part))
            used, volume = used + part, volume - part
        tier += 1
    return result


def _holds(end: Decimal | None, used: Decimal) -> bool:
    """A volume equal to an end belongs to the lower tier."""
    return end is None or used <= end


def _row(version: Version, day: date, tier: int, volume: Decimal) -> Row:
    unit_price = version.tiers[tier][1]
    ten_thousandths = floor(Fraction(volume) * Fraction(unit_price) * 10_000 + Fraction(1, 2))
    return Row(day, tier + 1, volume, unit_price, Decimal(ten_thousandths) / 10_000)
