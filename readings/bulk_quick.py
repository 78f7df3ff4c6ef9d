"""The short way of an import: lines of CSV go into a temporary table, and those of ordinary meters straight on from
there, set by set. What is not ordinary is taken line by line on the usual way, in the same transaction; both leave the
same rows (tests/readings/test_bulk_property.py).
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db import DataError, connection, transaction

from meters.models import Meter
from protocol.directory import Directory, current
from protocol.errors import ProtocolError
from protocol.models import Peer
from protocol.outbox import Owed, enqueue_all
from protocol.partitions.care import make_partitions_for
from protocol.transactions import atomically
from protocol.wire import decimal_text
from readings import bulk_quick_sql as sql
from readings.bulk import Taken, take_within
from readings.bulk_lines import VALVE_CODES, CsvReader, Line, wire_data
from readings.callbacks import report_body
from readings.intake import Report
from readings.models import Reading
from readings.serializers import TELEMETRY_FIELDS

# Newer versions of PostgreSQL read 0x1F, 0b11, 0o17 and 1_000 as numbers, all of them .5; in a 2001 these are none.
_ODD_NUMBER: Final = re.compile(
    r"""[,"\n]\s*[+-]?(?:[.][0-9]|(?:0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)|[0-9][0-9.]*_[0-9_.]*)\s*[,"\r\n])"""
)
# Without one of these there is none of them; looking for texts is a small part of what the expression takes.
_ODD_MARKS: Final = ("x", "X", "_", "O", "B", "0o", ",.", "+.", "-.", " .", '".', "+0b", "-0b", " 0b", '"0b')
_BINARY: Final = re.compile(r"[01_]+\s*[,\"\r\n]")
# So many lines at most are held as objects of Python at a time.
_FEW: Final = 2_000
_MONTH: Final = re.compile(r"([12][0-9]{3})-(0[1-9]|1[0-2])")


@dataclass(slots=True)
class Chunk:
    """Lines of CSV, each a record of its own; `number` is that of the first."""

    number: int
    lines: Sequence[str]
    header: Sequence[str]
    read: CsvReader
    text: str = field(init=False, repr=False)
    months: frozenset[datetime] = field(init=False)

    def halves(self) -> "list[Chunk]":
        middle = len(self.lines) // 2
        parts = (self.number, self.lines[:middle]), (self.number + middle, self.lines[middle:])
        return [Chunk(number, lines, self.header, self.read) for number, lines in parts]

    def __post_init__(self) -> None:
        self.text = "".join(self.lines)
        self.months = months_of(self)


def take_chunk(chunk: Chunk, *, now: datetime, tell_cis: bool, dry_run: bool = False) -> Taken:
    """As `readings.bulk.take_lines`; lines that cannot be understood are among the refused ones.

    Where PostgreSQL cannot read a line, the chunk is halved until few go the usual way for it: then each part is a
    transaction.
    """
    how: dict[str, Any] = {"now": now, "tell_cis": tell_cis, "dry_run": dry_run}
    if not dry_run:
        make_partitions_for(chunk.months, label=Reading._meta.label, now=now)
    try:
        return _take(chunk, **how)
    except DataError:
        if len(chunk.lines) <= _FEW:
            return _take_rest(chunk, range(len(chunk.lines)), **how)
    taken = Taken()
    for part in chunk.halves():
        taken.add(take_chunk(part, **how))
    return taken


def months_of(chunk: Chunk) -> frozenset[datetime]:
    """The months that the lines speak of, and those before: partitions begin at midnights UTC."""
    place = chunk.read.places["read_at"]
    if '"' in chunk.text:
        found = {"-".join(month) for month in _MONTH.findall(chunk.text)}
    else:
        found = {line.split(",", place + 1)[place][:7] for line in chunk.lines if line.count(",") >= place}
    matched = (_MONTH.fullmatch(month) for month in found)
    firsts = {datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC) for month in matched if month}
    return frozenset(firsts | {first - timedelta(days=1) for first in firsts})


@atomically
def _take(chunk: Chunk, *, now: datetime, tell_cis: bool, dry_run: bool) -> Taken:
    taken, left = _take_ordinary(chunk, now=now, tell_cis=tell_cis)
    for place in range(0, len(left), _FEW):
        taken.add(_take_rest(chunk, left[place : place + _FEW], now=now, tell_cis=tell_cis))
    if dry_run:
        transaction.set_rollback(True)
    return taken


@atomically
def _take_rest(chunk: Chunk, left: Sequence[int], *, now: datetime, tell_cis: bool, dry_run: bool = False) -> Taken:
    """The lines at these places, on the usual way."""
    refused: list[tuple[int, ProtocolError]] = []
    lines: list[Line] = []
    for place, cells in zip(left, csv.reader([chunk.lines[place] for place in left], strict=True), strict=True):
        try:
            if cells:
                lines.append(chunk.read(chunk.number + place, cells))
        except ProtocolError as error:
            refused.append((chunk.number + place, error))
    rest = take_within(lines, now=now, tell_cis=tell_cis) if lines else Taken()
    rest.refused = sorted([*refused, *rest.refused], key=lambda one: one[0])
    if dry_run:
        transaction.set_rollback(True)
    return rest


def _take_ordinary(chunk: Chunk, *, now: datetime, tell_cis: bool) -> tuple[Taken, Sequence[int]]:
    """What was taken, and the places of the lines that are left. Raises DataError."""
    parameters = {
        "company": chunk.read.parties.company_code,
        "latest": now + timedelta(seconds=settings.READING_FUTURE_TOLERANCE_SECONDS),
        "jump": settings.READING_JUMP_LIMIT_M3_PER_DAY,
        "volts": settings.ALARM_BATTERY_VOLTS,
        "zone": settings.TIME_ZONE,
        "now": now,
        "first": min(chunk.months, default=now),
    }
    taken = Taken()
    with connection.cursor() as cursor:

        def rows(statement: str) -> list[tuple[Any, ...]]:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

        rows(sql.CREATE)
        _copy(chunk)
        for statement in (sql.NAMED, sql.ANALYZE, sql.LOCK_ACCOUNTS, sql.LOCK_STATES):
            rows(statement)
        rows(sql.ordinary())
        rows(sql.store())
        taken.lines = taken.readings = cursor.rowcount
        rows(sql.STATES)
        rows(sql.MOVE_BACK)
        if tell_cis and taken.lines:
            taken.told = _tell(rows(sql.TOLD), chunk, now=now)
        if taken.lines < len(chunk.lines):
            rows(sql.known())
            taken.known = cursor.rowcount
        # Identities of the temporary table begin at 1.
        left = [n - 1 for (n,) in rows(sql.LEFT)] if taken.lines + taken.known < len(chunk.lines) else []
        rows(sql.DROP)
    return taken, left


def has_odd_number(text: str) -> bool:
    """Whether PostgreSQL may take a cell of CSV for a number that is none here."""
    if any(mark in text for mark in _ODD_MARKS):
        return bool(_ODD_NUMBER.search(text))
    # Hexadecimal device ids begin like this as well.
    place = text.find(",0b")
    while place >= 0 and not _BINARY.match(text, place + 3):
        place = text.find(",0b", place + 3)
    return place >= 0


def _copy(chunk: Chunk) -> None:
    if has_odd_number(chunk.text):
        raise DataError("PostgreSQL may take a number that is none here")
    columns = ", ".join(f'"{name.strip()}"' for name in chunk.header)
    statement = f"COPY bulk_incoming ({columns}) FROM STDIN (FORMAT csv, FORCE_NULL ({columns}))"
    with connection.wrap_database_errors, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(chunk.text.encode(errors="surrogateescape"))
        # Some versions of COPY take a line for the end of all.
        if cursor.rowcount != len(chunk.lines):
            raise DataError("COPY takes these lines otherwise than they are meant")


def _tell(rows: Sequence[tuple[Any, ...]], chunk: Chunk, *, now: datetime) -> int:
    return enqueue_all(_Messages(chunk, current(), now=now).of(rows), now=now)


@dataclass(slots=True)
class _Messages:
    """Bodies of 2001 for lines of CSV, from one that `report_body` made: the rest of them says the same."""

    chunk: Chunk
    directory: Directory
    now: datetime = field(kw_only=True)
    models: dict[tuple[int, int], tuple[list[Peer], dict[str, Any]]] = field(default_factory=dict)

    def of(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[Owed]:
        for meter_id, company_id, maker_id, user_no, device_id, meter_no, model, moment, valve, index, *told in rows:
            key = company_id, maker_id
            if key not in self.models:
                self.models[key] = self._model(*key)
            peers, body = self.models[key]
            if not peers:
                continue
            own = {
                "userNo": user_no,
                "deviceId": device_id,
                "meterNo": meter_no,
                "billingModel": model,
                "readNum": _wire_number(index),
                "readDate": moment[:8],
                "readTime": moment[8:],
                "valveState": VALVE_CODES.get(valve, ""),
            }
            texts = {name: _wire_number(text) for name, text in zip(TELEMETRY_FIELDS.values(), told, strict=True)}
            for peer in peers:
                yield Owed(peer, company_id, "2001", meter_id, {**body, **own, **texts})

    def _model(self, company_id: int, maker_id: int) -> tuple[list[Peer], dict[str, Any]]:
        parties = self.chunk.read.parties
        company = next(one for one in parties.companies.values() if one.pk == company_id)
        maker = next(one for one in parties.manufacturers.values() if one.pk == maker_id)
        report = Report(read_at=self.now, index=Decimal(0), telemetry=dict.fromkeys(TELEMETRY_FIELDS))
        line = Line(0, company, maker, "", None, None, report)
        body = report_body(Meter(company=company, manufacturer=maker), wire_data(line), now=self.now)
        return self.directory.cis_peers(company_id, maker_id), body


@lru_cache(maxsize=20_000)
def _wire_number(text: str | None) -> str:
    return "" if text is None else decimal_text(Decimal(text))
