"""Taking a report (2001): store, never alter; judge; update the meter's latest state; tell the CIS (R10)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alarms.watch import note_report
from commands.arrears import expected_valve
from meters.accounts import lock_account
from meters.models import Account, Meter, MeterState, ValveState
from protocol.errors import FieldInvalid
from readings.latest import last_valid
from readings.models import Decision, Quality, Reading, Source
from readings.verdicts import judge_again, move_back

# Where clocks go back at midnight the last second of a day comes twice: the later one ends it.
END_OF_DAY = time(23, 59, 59, fold=1)

# What a report tells of the meter beside its index; the same names in Reading, and most of them in MeterState.
TELEMETRY = (
    "battery_voltage",
    "signal_percent",
    "temperature",
    "reported_price",
    "reported_balance",
    "reported_volume",
    "reported_amount",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One 2001: an index in m3 at a moment, the indexes at the end of earlier days, and telemetry."""

    read_at: datetime
    index: Decimal
    backfill: dict[date, Decimal] = field(default_factory=dict)
    valve: ValveState = ValveState.UNKNOWN
    telemetry: dict[str, Decimal | None] = field(default_factory=dict)
    # As of a reading that nobody has decided about.
    decision: ClassVar[str] = Decision.NONE


class ClosingTooLow(FieldInvalid):
    words = _("the closing index is below the last reading that counts")

    def __init__(self, field: str) -> None:
        super().__init__(field, "不能小于最近一次有效读数")


class ClosingTooHigh(FieldInvalid):
    words = _("the closing index is beyond what the meter can have used")

    def __init__(self, field: str) -> None:
        super().__init__(field, "超出合理范围")


@dataclass(frozen=True, slots=True)
class Intake:
    """The meter with its updated state, and the readings that were new."""

    meter: Meter
    stored: Sequence[Reading]


def end_of_day(day: date) -> datetime:
    """The last second of a local day: the interface counts in whole seconds."""
    return timezone.make_aware(datetime.combine(day, END_OF_DAY))


@transaction.atomic
def take_report(meter: Meter, report: Report, *, now: datetime) -> Intake:
    """Store what is new of a report. Readings of one meter are taken one at a time: its account row is the lock.

    Raises FieldInvalid for a reading, or a named day's end, more than 10 minutes in the future; MeterUnknown when the
    meter has ended meanwhile.
    """
    refuse_future(report, now=now)
    account = lock_account(meter)
    meter = account.meter
    meter.state = MeterState.objects.get(meter=meter)
    stored = _store(_readings_of(meter, report, now=now))
    if stored:
        judge_again(meter, stored)
        move_back(account, stored)
        _update_state(meter, report)
        if meter.state.reported_at == report.read_at:
            note_report(
                meter,
                battery_voltage=report.telemetry.get("battery_voltage"),
                valve=report.valve,
                expected_valve=expected_valve(meter),
                at=report.read_at,
                now=now,
            )
    return Intake(meter=meter, stored=stored)


def take_closing(account: Account, *, index: Decimal, field: str, now: datetime) -> Reading:
    """The last reading of a meter whose account is locked: unlike a report it must be valid to be taken (R7).

    Raises FieldInvalid, naming the wire's `field`, for an index below the last valid one or beyond the jump limit.
    """
    meter = account.meter
    reading = Reading(
        meter=meter, read_at=now, index=index, quality=Quality.VALID, source=Source.CLOSING, received_at=now
    )
    reading.save(force_insert=True)
    judge_again(meter, [reading])
    # By the database's key: `id` alone would be looked for in every partition.
    reading.refresh_from_db(fields=["quality"], from_queryset=Reading.objects.filter(meter=meter, read_at=now))
    later = Reading.objects.filter(meter=meter, quality=Quality.VALID, index__gt=index)
    if reading.quality == Quality.DECREASE or later.exists():
        raise ClosingTooLow(field)
    if reading.quality != Quality.VALID:
        raise ClosingTooHigh(field)
    move_back(account, [reading])
    MeterState.objects.filter(meter=meter).update(read_at=now, index=index)
    return reading


def refuse_future(report: Report, *, now: datetime) -> None:
    """Raises FieldInvalid for a reading, or a named day's end, more than 10 minutes in the future."""
    latest = now + timedelta(seconds=settings.READING_FUTURE_TOLERANCE_SECONDS)
    if report.read_at > latest:
        raise FieldInvalid("readDate", "抄见时间不能晚于当前时间")
    for day in report.backfill:
        if end_of_day(day) > latest:
            raise FieldInvalid("addGas", f"日期 {day} 尚未结束")


def _readings_of(meter: Meter, report: Report, *, now: datetime) -> list[Reading]:
    readings = [
        Reading(
            meter=meter,
            read_at=end_of_day(day),
            index=index,
            quality=Quality.VALID,
            source=Source.BACKFILL,
            received_at=now,
        )
        for day, index in sorted(report.backfill.items())
    ]
    current = Reading(
        meter=meter,
        read_at=report.read_at,
        index=report.index,
        quality=Quality.VALID,
        source=Source.REPORT,
        received_at=now,
        valve=report.valve,
        **report.telemetry,
    )
    return [*readings, current]


def _store(readings: list[Reading]) -> list[Reading]:
    """Insert what is not known yet: the same index at the same moment is accepted silently (R10)."""
    known = set(
        Reading.objects.filter(
            meter=readings[0].meter, read_at__in={reading.read_at for reading in readings}
        ).values_list("read_at", "index")
    )
    new = {(reading.read_at, reading.index): reading for reading in readings}
    return Reading.objects.bulk_create(reading for key, reading in new.items() if key not in known)


def _update_state(meter: Meter, report: Report) -> None:
    state = meter.state
    state.read_at, state.index = last_valid(meter, near=report.read_at) or (None, None)
    changed = ["read_at", "index"]
    if report.read_at >= meter.registered_at and (state.reported_at is None or report.read_at >= state.reported_at):
        state.reported_at = report.read_at
        state.valve = report.valve
        for name in TELEMETRY:
            setattr(state, name, report.telemetry.get(name))
        changed += ["reported_at", "valve", *TELEMETRY]
    # Only these: the CIS's answer and recharges are written to the same row by others.
    state.save(update_fields=changed)
