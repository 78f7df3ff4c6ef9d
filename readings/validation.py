"""Judging readings (R10): which of a meter's readings may be settled.

The verdicts are a fold over the readings in order of time (then of arrival). So they do not depend on the order in
which the readings came: a late one is judged in its place, and those after it are judged again.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar

from readings.models import Decision, Quality


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last valid reading: the index in m3 that the next one is measured against."""

    read_at: datetime
    index: Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """A meter's life begins at `born_at`; no more than `jump_m3_per_day` flows through it in a day."""

    born_at: datetime
    jump_m3_per_day: int


class Judged(Protocol):
    """A reading, or a report that may become one."""

    @property
    def read_at(self) -> datetime: ...
    @property
    def index(self) -> Decimal: ...
    @property
    def decision(self) -> str: ...


One = TypeVar("One", bound=Judged)


def judge(reading: Judged, *, anchor: Anchor, limits: Limits, first: bool) -> Quality:
    """The verdict on a reading after `anchor`. `first` is true while the anchor is the opening index, not a reading.

    What the staff have rejected stays out, and what they have accepted may jump; but no decision makes an index fall.
    """
    if reading.decision == Decision.REJECTED:
        return Quality.REJECTED
    if reading.read_at < limits.born_at:
        return Quality.EARLY
    if reading.read_at == anchor.read_at and not first:
        return Quality.CONFLICT
    if reading.index < anchor.index:
        return Quality.DECREASE
    days = max(1, math.ceil((reading.read_at - anchor.read_at) / timedelta(days=1)))
    if reading.decision != Decision.ACCEPTED and reading.index - anchor.index > limits.jump_m3_per_day * days:
        return Quality.JUMP
    return Quality.VALID


def judge_all(readings: Iterable[One], *, anchor: Anchor, limits: Limits, first: bool) -> Iterator[tuple[One, Quality]]:
    """Verdicts on `readings`, which come in order of time, starting from `anchor`."""
    for reading in readings:
        quality = judge(reading, anchor=anchor, limits=limits, first=first)
        if quality == Quality.VALID:
            anchor, first = Anchor(reading.read_at, reading.index), False
        yield reading, quality
