"""The lines of one meter within a batch: what is new among them, its verdicts, and what follows. No database here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import ClassVar, NamedTuple

from django.conf import settings
from django.utils import timezone

from alarms.watch import is_battery_low
from commands.kinds import VALVE_SET
from meters.models import Meter, ValveState
from readings.bulk_lines import Line
from readings.intake import end_of_day
from readings.models import Decision, Quality, Source
from readings.next_report import KNOWN_VALVES
from readings.validation import Anchor, Limits, judge_all

_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Seen(NamedTuple):
    """What LOOK (readings/bulk_sql.py) found of a meter, in its order."""

    meter_id: int
    manufacturer_id: int
    meter_no: str
    company_id: int
    user_no: str
    device_id: str
    billing_model: str
    registered_at: datetime
    initial_index: Decimal
    unsettled_from: date
    read_at: datetime | None
    latest_index: Decimal | None
    reported_at: datetime | None
    has_alarm: bool
    battery_volts: Decimal | None
    valve_set: str | None

    def is_meant_by(self, line: Line) -> bool:
        return (
            self.company_id == line.company.pk
            and (line.user_no is None or line.user_no == self.user_no)
            and (line.device_id is None or line.device_id == self.device_id)
        )

    @property
    def expected_valve(self) -> ValveState | None:
        """What the last valve command left behind, as in `commands.arrears.expected_valve`."""
        return VALVE_SET.get(self.valve_set or "")


@dataclass(slots=True, eq=False)
class NewReading:
    line: Line
    read_at: datetime
    index: Decimal
    source: Source
    quality: Quality = Quality.VALID
    decision: ClassVar[str] = Decision.NONE


@dataclass(slots=True, eq=False)
class StoredReading:
    """In the order of NEAR's columns."""

    read_at: datetime
    index: Decimal
    quality: str
    decision: str


@dataclass(slots=True, eq=False)
class Group:
    """One meter: its lines, the stored readings about them (`near`), and what comes of both."""

    seen: Seen
    arrived: list[NewReading] = field(default_factory=list)
    first_at: datetime = _LAST_MOMENT
    last_at: datetime = _FIRST_MOMENT
    near: list[StoredReading] = field(default_factory=list)
    anchor: Anchor | None = None
    new: list[NewReading] = field(default_factory=list)
    # Lines with something new; and those of them that were the latest report when their turn came.
    taken: list[Line] = field(default_factory=list)
    latest: list[Line] = field(default_factory=list)
    changed: list[StoredReading] = field(default_factory=list)
    # The latest valid reading now (None: none), when `is_complete`: nothing valid lies beyond `near`.
    last: Anchor | None = None
    is_complete: bool = True
    # Readings beyond `near` have to be judged again as well.
    goes_on: bool = False

    def add(self, line: Line) -> None:
        """The readings of a line arrive: the days of its addGas, then its own (as `take_report` stores them)."""
        report = line.report
        own = report.read_at.astimezone(UTC), report.index
        for day, index in sorted(report.backfill.items()):
            moment = end_of_day(day).astimezone(UTC)
            if (moment, index) != own:
                self._arrive(NewReading(line, moment, index, Source.BACKFILL))
        self._arrive(NewReading(line, *own, line.source))

    def _arrive(self, reading: NewReading) -> None:
        self.arrived.append(reading)
        self.first_at = min(self.first_at, reading.read_at)
        self.last_at = max(self.last_at, reading.read_at)

    @property
    def has_later(self) -> bool:
        """Whether valid readings lie after those that arrived."""
        return self.seen.read_at is not None and self.seen.read_at > self.last_at

    @property
    def is_late(self) -> bool:
        """Whether the latest valid reading is not before those that arrived: then another one is their anchor."""
        return self.seen.read_at is not None and self.seen.read_at >= self.first_at

    def sort_out(self) -> None:
        """Find what is new: the same index at the same moment is known (R10)."""
        known = {(stored.read_at, stored.index) for stored in self.near}
        for reading in self.arrived:
            key = reading.read_at, reading.index
            if key not in known:
                known.add(key)
                self.new.append(reading)
                if not self.taken or self.taken[-1] is not reading.line:
                    self.taken.append(reading.line)
        self._find_latest()

    def _find_latest(self) -> None:
        reported_at = self.seen.reported_at
        for line in self.taken:
            read_at = line.report.read_at
            is_later = reported_at is None or read_at >= reported_at
            if line.source == Source.REPORT and is_later and read_at >= self.seen.registered_at:
                reported_at = read_at
                self.latest.append(line)

    def judge(self) -> None:
        """The verdicts of what is new and of what is stored near it, in order of time, then of arrival."""
        seen = self.seen
        if self.anchor is None and seen.read_at is not None and seen.latest_index is not None and not self.is_late:
            self.anchor = Anchor(seen.read_at, seen.latest_index)
        ending = next((row for row in reversed(self.near) if self._may_end(row)), None)
        limits = Limits(born_at=seen.registered_at, jump_m3_per_day=settings.READING_JUMP_LIMIT_M3_PER_DAY)
        start = self.anchor or Anchor(seen.registered_at, seen.initial_index)
        self.last = self.anchor
        for reading, quality in judge_all(self._in_order(), anchor=start, limits=limits, first=self.anchor is None):
            if quality == Quality.VALID:
                self.last = Anchor(reading.read_at, reading.index)
            if quality != reading.quality:
                reading.quality = quality
                if isinstance(reading, StoredReading):
                    self.changed.append(reading)
        self.is_complete = ending is None
        self.goes_on = ending is not None and ending.quality != Quality.VALID

    def _may_end(self, stored: StoredReading) -> bool:
        return stored.read_at > self.last_at and stored.quality == Quality.VALID

    def _in_order(self) -> list[NewReading | StoredReading]:
        """Sorting is stable: of the same moment, the stored ones come first, as they have the smaller ids."""
        self.new.sort(key=attrgetter("read_at"))
        both: list[NewReading | StoredReading] = [*self.near, *self.new]
        return sorted(both, key=attrgetter("read_at"))

    @property
    def first_day(self) -> date:
        """The first day that has to be settled (again), as in `readings.verdicts.move_back`."""
        return max(timezone.localdate(self.new[0].read_at), timezone.localdate(self.seen.registered_at))

    @property
    def may_alarm(self) -> bool:
        """Whether an alarm may come, or go, with its latest reports."""
        return bool(self.latest) and (self.seen.has_alarm or any(self._is_wrong(line) for line in self.latest))

    def _is_wrong(self, line: Line) -> bool:
        valve, expected = line.report.valve, self.seen.expected_valve
        disobeys = expected is not None and valve in KNOWN_VALVES and valve != expected
        return disobeys or is_battery_low(line.report.telemetry["battery_voltage"], self.seen.battery_volts)

    def meter(self) -> Meter:
        """Without asking the database for it."""
        seen, line = self.seen, self.arrived[0].line
        return Meter(
            pk=seen.meter_id,
            company=line.company,
            manufacturer=line.manufacturer,
            user_no=seen.user_no,
            meter_no=seen.meter_no,
            device_id=seen.device_id,
            billing_model=seen.billing_model,
            registered_at=seen.registered_at,
            initial_index=seen.initial_index,
        )


def with_news(groups: list[Group]) -> Iterator[Group]:
    return (group for group in groups if group.new)
