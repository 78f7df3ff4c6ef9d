"""The platform's own alarms: a meter that is silent (01), a valve that disobeys (05), a battery that runs down (06)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, FilteredRelation, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from alarms.models import UNCLEARED, Alarm, AlarmOccurrence, AlarmType, Because, Source
from alarms.services import MoveRefused, clear, raise_own
from meters.models import Meter, MeterState, MeterStatus, ValveState
from protocol.wire import decimal_text, long_time

CHUNK_METERS = 500
VALVE_WORDS = {ValveState.OPEN: "开", ValveState.CLOSED: "关"}
RECOVERED = {
    AlarmType.COMMUNICATION: Because.REPORTS_AGAIN,
    AlarmType.VALVE: Because.VALVE_AGREES,
    AlarmType.BATTERY: Because.BATTERY_BACK,
}


def watch_silence(*, now: datetime) -> int:
    """Raise 01 for every active meter without a report for as many days as its manufacturer allows.

    Once per silent spell, also when somebody clears it meanwhile. Returns how many alarms are new.
    """
    raised = last = 0
    while True:
        # A report that is just being taken holds the state of its meter: that one is not silent.
        with transaction.atomic():
            silent = _silent(now).filter(pk__gt=last).select_for_update(of=("self",), skip_locked=True)
            chunk = list(silent[:CHUNK_METERS])
            if not chunk:
                return raised
            contents = {state.meter: _silence(state) for state in chunk}
            raised += len(raise_own(contents, type=AlarmType.COMMUNICATION, at=now, now=now))
        last = chunk[-1].pk


def _silent(now: datetime) -> QuerySet[MeterState]:
    """The silent meters that nobody has been told of since their `days` were over."""
    due = ExpressionWrapper(F("seen") + F("days") * Value(timedelta(days=1)), output_field=DateTimeField())
    known = Alarm.objects.filter(meter=OuterRef("pk"), type=AlarmType.COMMUNICATION, state__in=UNCLEARED)
    told = AlarmOccurrence.objects.filter(
        alarm__meter=OuterRef("pk"),
        alarm__type=AlarmType.COMMUNICATION,
        source=Source.PLATFORM,
        at__gte=OuterRef("due"),
    )
    return (
        MeterState.objects.filter(meter__status=MeterStatus.ACTIVE)
        .annotate(
            seen=Coalesce("reported_at", "meter__registered_at"),
            days=Coalesce("meter__manufacturer__alarm_thresholds__silent_days", settings.ALARM_SILENT_DAYS),
        )
        .annotate(due=due)
        .filter(~Exists(known), ~Exists(told), due__lte=now)
        .select_related("meter__company", "meter__manufacturer")
        .order_by("pk")
    )


def _silence(state: MeterState) -> str:
    since = f"最近上报时间 {long_time(state.reported_at)}" if state.reported_at else "启用以来从未上报"
    return f"表具已 {state.days} 天以上未上报数据，{since}"  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a meter when it reports: its manufacturer's thresholds, and what is not cleared."""

    silent_days: int
    battery_volts: Decimal
    uncleared: dict[AlarmType, Alarm]


def is_battery_low(voltage: Decimal | None, limit: Decimal | None) -> bool:
    """Whether a report shows what alarm 06 is for; `limit` is the manufacturer's own threshold in V, if it has one."""
    return voltage is not None and voltage < (settings.ALARM_BATTERY_VOLTS if limit is None else limit)


def note_report(
    meter: Meter,
    *,
    battery_voltage: Decimal | None,
    valve: ValveState,
    expected_valve: ValveState | None,
    at: datetime,
    now: datetime,
) -> None:
    """Raise or clear what the latest report of a meter, read at `at`, shows.

    `expected_valve` is what the last successful valve command left behind; None when there is none.
    """
    known = _known_of(meter)
    silence = known.uncleared.get(AlarmType.COMMUNICATION)
    if silence is not None and _ends(silence, at=at, limit=now - timedelta(days=known.silent_days)):
        _recover(silence, now=now)
    if battery_voltage is not None:
        content = f"电池电压 {decimal_text(battery_voltage)}V，低于 {decimal_text(known.battery_volts)}V"
        wrong = battery_voltage < known.battery_volts
        _judge(meter, AlarmType.BATTERY, known, wrong=wrong, content=content, at=at, now=now)
    if expected_valve in VALVE_WORDS and valve in VALVE_WORDS:
        content = f"阀门状态与指令不符：指令为{VALVE_WORDS[expected_valve]}阀，上报为{VALVE_WORDS[valve]}阀"
        _judge(meter, AlarmType.VALVE, known, wrong=valve != expected_valve, content=content, at=at, now=now)


def _known_of(meter: Meter) -> _Known:
    """In one query, which every report pays for."""
    uncleared = FilteredRelation("alarms", condition=Q(alarms__state__in=UNCLEARED))
    thresholds = "manufacturer__alarm_thresholds"
    rows = list(
        Meter.objects.filter(pk=meter.pk)
        .annotate(uncleared=uncleared)
        .values_list(
            *(f"{thresholds}__silent_days", f"{thresholds}__battery_volts"),
            *("uncleared__id", "uncleared__type", "uncleared__last_at", "uncleared__by_headend"),
        )
    )
    silent_days, battery_volts = rows[0][:2]
    return _Known(
        silent_days=settings.ALARM_SILENT_DAYS if silent_days is None else silent_days,
        battery_volts=settings.ALARM_BATTERY_VOLTS if battery_volts is None else battery_volts,
        uncleared={
            AlarmType(type): Alarm(pk=pk, meter=meter, type=type, last_at=last_at, by_headend=by_headend)
            for _, _, pk, type, last_at, by_headend in rows
            if pk is not None
        },
    )


def _ends(silence: Alarm, *, at: datetime, limit: datetime) -> bool:
    """A report ends a silence when it is recent enough; what the head-end reported, when it is later than that."""
    return at > (silence.last_at if silence.by_headend else limit)


def _judge(
    meter: Meter, type: AlarmType, known: _Known, *, wrong: bool, content: str, at: datetime, now: datetime
) -> None:
    """What goes on is raised once. What a head-end reported is not for the platform's measurements to clear."""
    alarm = known.uncleared.get(type)
    if wrong and alarm is None:
        raise_own({meter: content}, type=type, at=at, now=now)
    elif not wrong and alarm is not None and not alarm.by_headend:
        _recover(alarm, now=now)


def _recover(alarm: Alarm, *, now: datetime) -> None:
    with suppress(MoveRefused):  # somebody else has just cleared it
        clear(alarm, by=None, because=RECOVERED[AlarmType(alarm.type)], now=now)
