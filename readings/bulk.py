"""Taking many reports at once: imports, replays, catching up. What it leaves behind is what `take_report` would leave,
had it taken the same lines one by one (tests/readings/test_bulk_property.py).

A batch is one transaction: its meters are locked, looked at, judged by the rules of readings/validation.py, and written
together. A batch that is taken again finds everything known and changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from django.db import connection, transaction

from alarms.watch import note_report
from meters.finding import MeterUnknown, UserUnknown
from meters.models import Meter, MeterStatus
from protocol.directory import Directory, current
from protocol.errors import FieldInvalid, ProtocolError
from protocol.outbox import Owed, enqueue_all
from protocol.partitions.care import make_partitions_for
from protocol.statements import copied, copying
from protocol.transactions import atomically
from readings import bulk_sql
from readings.bulk_groups import Group, NewReading, Seen, StoredReading, with_news
from readings.bulk_lines import Line, wire_data
from readings.callbacks import report_body
from readings.intake import TELEMETRY, end_of_day, refuse_future
from readings.latest import last_valid
from readings.models import Quality, Reading, Source
from readings.serializers import TELEMETRY_FIELDS
from readings.validation import Anchor
from readings.verdicts import judge_again

_NULL: Final = "\\N"


@dataclass(slots=True)
class Taken:
    """What became of lines: those with something new, known ones, refused ones with the reason; new readings, those of
    them that are flagged, and messages to CIS."""

    lines: int = 0
    known: int = 0
    refused: list[tuple[int, ProtocolError]] = field(default_factory=list)
    readings: int = 0
    flagged: int = 0
    told: int = 0

    def add(self, other: "Taken") -> None:
        self.lines += other.lines
        self.known += other.known
        self.refused += other.refused
        self.readings += other.readings
        self.flagged += other.flagged
        self.told += other.told


def take_lines(lines: Sequence[Line], *, now: datetime, tell_cis: bool, dry_run: bool = False) -> Taken:
    """Take a batch of lines in their order, all of it or nothing; `dry_run` undoes it at the end.

    Without `tell_cis` no CIS hears of the readings (2001); of alarms it always does. Partitions that are missing are
    made before. Raises the database's errors.
    """
    if not dry_run:
        make_partitions_for(_months(lines), label=Reading._meta.label, now=now)
    return _take(lines, now=now, tell_cis=tell_cis, dry_run=dry_run)


def _months(lines: Iterable[Line]) -> set[datetime]:
    moments = {line.report.read_at for line in lines}
    moments |= {end_of_day(day) for line in lines for day in line.report.backfill}
    return {moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0) for moment in moments}


@atomically
def _take(lines: Sequence[Line], *, now: datetime, tell_cis: bool, dry_run: bool) -> Taken:
    taken = take_within(lines, now=now, tell_cis=tell_cis)
    if dry_run:
        transaction.set_rollback(True)
    return taken


def take_within(lines: Sequence[Line], *, now: datetime, tell_cis: bool) -> Taken:
    """The same in the running transaction, whose partitions are there."""
    taken = Taken()
    groups = _grouped(_timely(lines, taken, now=now), taken)
    _look_near(groups)
    for group in groups:
        group.sort_out()
    changing = list(with_news(groups))
    if changing:
        _judge(changing)
        _store(changing, now=now)
        _move_back(changing)
        _update_states(changing)
        taken.told = _tell(changing, now=now, tell_cis=tell_cis)
    _count(groups, taken, asked=len(lines))
    return taken


def _timely(lines: Sequence[Line], taken: Taken, *, now: datetime) -> list[Line]:
    timely = []
    for line in lines:
        try:
            refuse_future(line.report, now=now)
            timely.append(line)
        except FieldInvalid as error:
            taken.refused.append((line.number, error))
    return timely


def _count(groups: Sequence[Group], taken: Taken, *, asked: int) -> None:
    taken.lines = sum(len(group.taken) for group in groups)
    taken.known = asked - taken.lines - len(taken.refused)
    taken.readings = sum(len(group.new) for group in groups)
    taken.flagged = sum(reading.quality != Quality.VALID for group in groups for reading in group.new)


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def _grouped(lines: Sequence[Line], taken: Taken) -> list[Group]:
    """Lock the meters that the lines name; the groups in order of the meters' ids."""
    named = {(line.manufacturer.pk, line.meter_no) for line in lines}
    numbers = {"manufacturers": [maker for maker, _ in named], "meter_nos": [number for _, number in named]}
    locked = [meter_id for (meter_id,) in _rows(bulk_sql.LOCK, numbers)]
    seen = (Seen(*row) for row in _rows(bulk_sql.LOOK, {**numbers, "locked": locked}))
    groups = {(one.manufacturer_id, one.meter_no): Group(one) for one in seen}
    strangers = []
    for line in lines:
        group = groups.get((line.manufacturer.pk, line.meter_no))
        if group is None or not group.seen.is_meant_by(line):
            strangers.append(line)
        else:
            group.add(line)
    taken.refused = sorted([*taken.refused, *_refusals(strangers)], key=lambda one: one[0])
    return sorted((group for group in groups.values() if group.arrived), key=lambda group: group.seen.meter_id)


def _refusals(lines: Sequence[Line]) -> list[tuple[int, ProtocolError]]:
    """Why lines point to no active meter: as `find_active_meter` says it, with one query for all."""
    active = Meter.objects.filter(status=MeterStatus.ACTIVE, user_no__in={line.user_no for line in lines})
    users = set(active.values_list("company_id", "manufacturer_id", "user_no")) if lines else set()
    return [(line.number, _refusal(line, users)) for line in lines]


def _refusal(line: Line, users: set[tuple[int, int, str]]) -> ProtocolError:
    is_known = (line.company.pk, line.manufacturer.pk, line.user_no) in users
    return MeterUnknown() if line.user_no is None or is_known else UserUnknown()


def _spans(groups: Sequence[Group]) -> dict[str, Any]:
    return {
        "meters": [group.seen.meter_id for group in groups],
        "firsts": [group.first_at for group in groups],
        "lasts": [group.last_at for group in groups],
        "later": [group.has_later for group in groups],
        "first": min(group.first_at for group in groups),
    }


def _look_near(groups: Sequence[Group]) -> None:
    if groups:
        by_meter = {group.seen.meter_id: group for group in groups}
        for meter_id, *stored in _rows(bulk_sql.NEAR, _spans(groups)):
            by_meter[meter_id].near.append(StoredReading(*stored))


def _judge(groups: Sequence[Group]) -> None:
    late = {group.seen.meter_id: group for group in groups if group.is_late}
    for days in (True, False):
        missing = [group for group in late.values() if group.anchor is None]
        if missing:
            spans = {**_spans(missing), "recent": days}
            for meter_id, read_at, index in _rows(bulk_sql.BEFORE, spans):
                late[meter_id].anchor = Anchor(read_at, index)
    for group in groups:
        group.judge()


def _store(groups: Sequence[Group], *, now: datetime) -> None:
    """COPY: the meters are locked, so nobody else adds the same readings meanwhile."""
    statement, rest = copying(Reading, bulk_sql.COPIED)
    received, ending = now.isoformat(), "".join(f"\t{_text(value)}" for value in rest) + "\n"
    with copied(statement) as copy:
        for group in groups:
            copy.write("".join(_row(group.seen.meter_id, reading, received) + ending for reading in group.new))
    changed = [(group.seen.meter_id, reading) for group in groups for reading in group.changed]
    if changed:
        _rows(bulk_sql.CHANGE, _changes(changed))
    for group in groups:
        if group.goes_on:
            judge_again(group.meter(), group.new)


def _row(meter_id: int, reading: NewReading, received: str) -> str:
    """A row of COPY's text format, in the order of COPIED; nothing in it needs quoting."""
    report = reading.line.report
    is_own = reading.source != Source.BACKFILL or reading.line.source == Source.BACKFILL
    values = [report.telemetry[name] if is_own else None for name in TELEMETRY_FIELDS]
    telemetry = "\t".join([_NULL if value is None else str(value) for value in values])
    valve = report.valve.value if reading.source == Source.REPORT else ""
    return (
        f"{meter_id}\t{reading.read_at.isoformat()}\t{reading.index}\t{reading.quality.value}\t{reading.source.value}"
        f"\t{received}\t{valve}\t{telemetry}"
    )


def _text(value: Any) -> str:
    return _NULL if value is None else str(value)


def _changes(changed: Sequence[tuple[int, StoredReading]]) -> dict[str, Any]:
    return {
        "meters": [meter_id for meter_id, _ in changed],
        "moments": [reading.read_at for _, reading in changed],
        "indexes": [reading.index for _, reading in changed],
        "qualities": [str(reading.quality) for _, reading in changed],
        "first": min(reading.read_at for _, reading in changed),
    }


def _move_back(groups: Sequence[Group]) -> None:
    earlier = [group for group in groups if group.first_day < group.seen.unsettled_from]
    if earlier:
        meters, days = [group.seen.meter_id for group in earlier], [group.first_day for group in earlier]
        _rows(bulk_sql.MOVE_BACK, {"meters": meters, "days": days})


def _update_states(groups: Sequence[Group]) -> None:
    rows = [_state(group) for group in groups if group.latest or group.is_complete or group.goes_on]
    if rows:
        _rows(bulk_sql.STATES, {"rows": orjson.dumps(rows, default=str).decode()})


def _state(group: Group) -> dict[str, Any]:
    last = group.last
    if group.goes_on:
        found = last_valid(group.meter(), near=group.last_at)
        last = Anchor(*found) if found else None
    row: dict[str, Any] = {
        "meter_id": group.seen.meter_id,
        "moved": group.is_complete or group.goes_on,
        "reported": bool(group.latest),
        "read_at": last.read_at if last else None,
        "index": last.index if last else None,
    }
    if group.latest:
        report = group.latest[-1].report
        row |= {"reported_at": report.read_at, "valve": report.valve.value}
        row |= {name: report.telemetry[name] for name in TELEMETRY}
    return row


def _tell(groups: Sequence[Group], *, now: datetime, tell_cis: bool) -> int:
    """Alarms, and the readings to the CIS; where both may come, in the order of the lines."""
    directory = current() if tell_cis else None
    told = 0
    for group in groups:
        if group.may_alarm:
            told += _tell_with_alarms(group, directory, now=now)
    quiet = (group for group in groups if not group.may_alarm)
    owed = (one for group in quiet for one in _owed(group, group.taken, directory, now=now))
    return told + enqueue_all(owed, now=now) if directory else told


def _tell_with_alarms(group: Group, directory: Directory | None, *, now: datetime) -> int:
    told, latest = 0, {line.number for line in group.latest}
    for line in group.taken:
        if line.number in latest:
            note_report(
                group.meter(),
                battery_voltage=line.report.telemetry["battery_voltage"],
                valve=line.report.valve,
                expected_valve=group.seen.expected_valve,
                at=line.report.read_at,
                now=now,
            )
        if directory:
            told += enqueue_all(_owed(group, [line], directory, now=now), now=now)
    return told


def _owed(group: Group, lines: Sequence[Line], directory: Directory | None, *, now: datetime) -> Iterator[Owed]:
    """One message per line and CIS of the meter's company."""
    seen = group.seen
    peers = directory.cis_peers(seen.company_id, seen.manufacturer_id) if directory else []
    if not peers:
        return
    meter = group.meter()
    for line in lines:
        body = report_body(meter, wire_data(line), now=now)
        for peer in peers:
            yield Owed(peer, seen.company_id, "2001", seen.meter_id, body)
