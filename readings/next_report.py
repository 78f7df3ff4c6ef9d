"""The ordinary report, quickly: the next reading of a meter of which nothing else is going on.

Nearly every 2001 is one. Two round trips take it: the first locks the meter and looks at all that matters, the second
writes everything. What is not ordinary is left to the usual way, which begins again from nothing; both give the same
rows and the same answer (tests/readings/test_next_report.py).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.conf import settings
from django.db import IntegrityError, OperationalError

from alarms.watch import is_battery_low
from commands.headend import NOTHING_TO_DO
from commands.kinds import VALVE_SET
from meters.models import BillingModel, ValveState
from pricing.schedule import price_day_of
from protocol.bursts import Statement, in_bursts
from protocol.directory import VERSION_SQL, Directory
from protocol.endpoint import Call
from protocol.ledger import SPENT_SQL, Json, Received, spend_with_answer, spending
from protocol.outbox import nudge, owed, owing
from protocol.statements import insertion
from protocol.wire import local
from readings.answers import MeterNames, report_answer
from readings.callbacks import report_body
from readings.intake import TELEMETRY, Report
from readings.latest import RECENT_DAYS
from readings.models import Quality, Reading, Source
from readings.validation import Anchor, Limits, judge

_METER = """
    m.manufacturer_id = %(manufacturer)s AND m.meter_no = %(meter_no)s AND m.status = 'active'
    AND m.company_id = %(company)s AND m.user_no = %(user_no)s
    AND (%(device_id)s::text IS NULL OR m.device_id = %(device_id)s::text)
"""
LOCK = Statement(f"""
    SELECT 1 FROM meters_account WHERE meter_id = (SELECT m.id FROM meters_meter m WHERE {_METER}) FOR UPDATE
""")  # noqa: S608  (parts of our own)
# A statement of its own, which sees the meter as it is once its lock is held.
LOOK = Statement(f"""
    SELECT {VERSION_SQL}, {SPENT_SQL}, m.id, m.device_id, m.billing_model, m.registered_at, m.initial_index,
        a.unsettled_from, a.settled_through, a.cycle_start, a.cycle_volume, a.balance,
        s.read_at, s.reported_at, s.cis_price, s.cis_remaining, valid.read_at, valid.index,
        EXISTS (SELECT 1 FROM readings_reading WHERE meter_id = m.id AND read_at >= %(read_at)s),
        EXISTS (SELECT 1 FROM commands_command WHERE meter_id = m.id AND state IN ('queued', 'sent')),
        EXISTS (SELECT 1 FROM alarms_alarm WHERE meter_id = m.id AND state IN ('open', 'acknowledged')),
        (SELECT battery_volts FROM alarms_alarmthresholds WHERE manufacturer_id = m.manufacturer_id),
        (SELECT CASE WHEN state = 'succeeded' THEN payload ->> 'valveSet' END FROM commands_command
         WHERE meter_id = m.id AND kind = '03' ORDER BY id DESC LIMIT 1),
        p.price_id, (SELECT max(id) FROM pricing_priceversion WHERE price_id = p.price_id)
    FROM meters_meter m
    JOIN meters_account a ON a.meter_id = m.id
    JOIN meters_meterstate s ON s.meter_id = m.id
    JOIN meters_meterprice p ON p.meter_id = m.id AND p.ends IS NULL
    LEFT JOIN LATERAL (
        SELECT read_at, index FROM readings_reading
        WHERE meter_id = m.id AND quality = 'valid'
            AND read_at < %(read_at)s AND read_at >= %(recent)s
        ORDER BY read_at DESC LIMIT 1) valid ON true
    WHERE {_METER}
""")  # noqa: S608
READING_ONLY = ("standard_total", "working_total", "standard_flow", "working_flow", "pressure")
KNOWN_VALVES = (ValveState.OPEN, ValveState.CLOSED)


class NotOrdinary(Exception):
    """Left to the usual way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What LOOK found, in its order."""

    version: int | None
    is_spent: bool
    meter_id: int
    device_id: str
    billing_model: str
    registered_at: datetime
    initial_index: Decimal
    unsettled_from: date
    settled_through: date
    cycle_start: date | None
    cycle_volume: Decimal
    balance: Decimal
    latest_at: datetime | None
    reported_at: datetime | None
    cis_price: Decimal | None
    cis_remaining: Decimal | None
    valid_at: datetime | None
    valid_index: Decimal | None
    has_later: bool
    has_command: bool
    has_alarm: bool
    battery_volts: Decimal | None
    valve_set: str | None
    price_id: int
    last_version_id: int

    def is_ordinary(self, report: Report, *, directory: Directory) -> bool:
        """Nothing has changed since we looked last, and nothing but a reading comes of this report."""
        day = local(report.read_at).date()
        expected = VALVE_SET.get(self.valve_set or "")
        return not (
            self.version is None
            or self.version != directory.version
            or self.is_spent
            or self.has_later
            or (self.valid_at is None and self.latest_at is not None)
            or self.has_command
            or self.has_alarm
            or report.read_at < self.registered_at
            or (self.reported_at is not None and self.reported_at >= report.read_at)
            or day < self.unsettled_from
            or is_battery_low(report.telemetry["battery_voltage"], self.battery_volts)
            or (expected is not None and report.valve in KNOWN_VALVES and report.valve != expected)
        )

    def verdict(self, report: Report) -> Quality:
        anchor = Anchor(self.registered_at, self.initial_index)
        if self.valid_at is not None and self.valid_index is not None:
            anchor = Anchor(self.valid_at, self.valid_index)
        limits = Limits(born_at=self.registered_at, jump_m3_per_day=settings.READING_JUMP_LIMIT_M3_PER_DAY)
        return judge(report, anchor=anchor, limits=limits, first=self.valid_at is None)

    def figures(self, report: Report, *, today: date) -> tuple[Decimal | None, Decimal | None]:
        """Price and balance as `figures_of` would find them after the report (R11)."""
        if self.billing_model == BillingModel.METER:
            return report.telemetry["reported_price"], report.telemetry["reported_balance"]
        price = self.cis_price if self.billing_model == BillingModel.CIS else None
        balance = self.cis_remaining if self.billing_model == BillingModel.CIS else self.balance
        return (self._tariff_price(today) if price is None else price), balance

    def _tariff_price(self, today: date) -> Decimal:
        on_day = price_day_of(self.price_id, self.last_version_id, today)
        if self.cycle_start != on_day.cycle_start:
            raise NotOrdinary
        return on_day.unit_price_at(self.cycle_volume)


def take_next_report(received: Received, call: Call, *, directory: Directory) -> Json | None:
    """The answer to a 2001, all of it written; None when it has to go the usual way, with nothing written.

    `directory` is what is remembered: here its version is compared with the database's.
    """
    report: Report = call.data["report"]
    latest = call.now + timedelta(seconds=settings.READING_FUTURE_TOLERANCE_SECONDS)
    if report.backfill or report.read_at > latest:
        return None
    try:
        with in_bursts() as transaction:
            row = transaction.ask(LOCK, LOOK, values=_sought(call, report, serial_no=received.serial_no))
            if row is None:
                raise NotOrdinary
            seen = Seen(*row)
            if not seen.is_ordinary(report, directory=directory):
                raise NotOrdinary
            answer, written, owes = _outcome(received, call, seen, directory=directory)
            transaction.finish(_writing(), values=written)
    except (NotOrdinary, IntegrityError, OperationalError):
        # Another may have spent the serial meanwhile, or the database may have ended a deadlock: the usual way copes.
        return None
    if owes:
        nudge()
    return answer


def _sought(call: Call, report: Report, *, serial_no: str) -> dict[str, Any]:
    return {
        "peer": call.peer.pk,
        "serial_no": serial_no,
        "company": call.company.pk,
        "manufacturer": call.manufacturer.pk,
        "meter_no": call.data["meterNo"],
        "user_no": call.data["userNo"],
        "device_id": call.data.get("deviceId"),
        "read_at": report.read_at,
        "recent": report.read_at - timedelta(days=RECENT_DAYS),
    }


def _outcome(received: Received, call: Call, seen: Seen, *, directory: Directory) -> tuple[Json, dict[str, Any], bool]:
    """The answer, what the writing statement is given, and whether a CIS is owed a message."""
    report: Report = call.data["report"]
    meter = MeterNames(
        company=call.company,
        manufacturer=call.manufacturer,
        user_no=call.data["userNo"],
        meter_no=call.data["meterNo"],
        device_id=seen.device_id,
        billing_model=seen.billing_model,
    )
    price, balance = seen.figures(report, today=local(call.now).date())
    answer = report_answer(meter, call=call, price=price, balance=balance, valve_control=NOTHING_TO_DO)
    peers = directory.cis_peers(call.company.pk, call.manufacturer.pk)
    body = report_body(meter, call.data, now=call.now) if peers else {}
    quality = seen.verdict(report)
    counts = quality == Quality.VALID
    written = {
        **spending(received, answer),
        **owing(peers, company_id=call.company.pk, code="2001", lane=seen.meter_id, body=body, now=call.now),
        **report.telemetry,
        "meter": seen.meter_id,
        "reported_at": report.read_at,
        "reported_index": report.index,
        "valve": report.valve.value,
        "quality": quality.value,
        "state_read_at": report.read_at if counts else seen.valid_at,
        "state_index": report.index if counts else seen.valid_index,
        "now": call.now,
    }
    return answer, written, bool(peers)


@cache
def _writing() -> Statement:
    """One statement for all that an ordinary report leaves behind."""
    stored = insertion(
        Reading,
        {
            "meter_id": "%(meter)s",
            "read_at": "%(reported_at)s",
            "index": "%(reported_index)s",
            "quality": "%(quality)s",
            "source": f"'{Source.REPORT.value}'",
            "received_at": "%(now)s",
            "valve": "%(valve)s",
            **{name: f"%({name})s" for name in (*TELEMETRY, *READING_ONLY)},
        },
    )
    telemetry = ", ".join(f"{name} = %({name})s" for name in TELEMETRY)
    return Statement(f"""
        WITH {spend_with_answer()}, owed AS ({owed()}), stored AS ({stored})
        UPDATE meters_meterstate
        SET read_at = %(state_read_at)s, index = %(state_index)s, reported_at = %(reported_at)s, valve = %(valve)s,
            {telemetry}
        WHERE meter_id = %(meter)s
    """)  # noqa: S608  (parts of our own; what comes from outside are parameters)
