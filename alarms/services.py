"""The life of an alarm: raised, repeated, acknowledged, cleared. Every occurrence is told to the CIS (2003)."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from alarms.callbacks import tell_cis
from alarms.models import PRIORITIES, UNCLEARED, Alarm, AlarmOccurrence, AlarmState, AlarmType, Priority, Source
from meters.models import Meter

MOVES: Final = {
    AlarmState.OPEN: frozenset({AlarmState.ACKNOWLEDGED, AlarmState.CLEARED}),
    AlarmState.ACKNOWLEDGED: frozenset({AlarmState.CLEARED}),
    AlarmState.CLEARED: frozenset[AlarmState](),
}

# The partial unique index decides what is a repeat, however many raise the same alarm at once.
_INSERT = """
    INSERT INTO alarms_alarm AS known
           (meter_id, type, priority, content, state, first_at, last_at, occurrences, by_headend, cleared_because)
    SELECT meter_id, %(type)s, %(priority)s, content, 'open', %(at)s, %(at)s, 1, %(by_headend)s, ''
      FROM unnest(%(meters)s::bigint[], %(contents)s::text[]) AS told (meter_id, content)
        ON CONFLICT (meter_id, type) WHERE state IN ('open', 'acknowledged')
"""
_OR_COUNT = """
    DO UPDATE SET occurrences = known.occurrences + 1,
                  first_at = least(known.first_at, excluded.first_at),
                  last_at = greatest(known.last_at, excluded.last_at),
                  content = CASE WHEN excluded.last_at >= known.last_at THEN excluded.content ELSE known.content END,
                  priority = CASE WHEN excluded.last_at >= known.last_at THEN excluded.priority ELSE known.priority END,
                  by_headend = known.by_headend OR excluded.by_headend
    RETURNING id, meter_id
"""
_OR_LEAVE = "DO NOTHING RETURNING id, meter_id"


class MoveRefused(RuntimeError):
    """The move is not in the table, or somebody else has moved the alarm meanwhile."""

    def __init__(self, alarm: Alarm, to_state: AlarmState) -> None:
        super().__init__(f"alarm {alarm.pk} cannot go from {alarm.state} to {to_state}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is seen on one or more meters at a moment."""

    type: AlarmType
    priority: Priority
    source: Source
    at: datetime


def raise_alarm(meter: Meter, sighting: Sighting, *, content: str, now: datetime) -> AlarmOccurrence:
    """Open the alarm, or count one more occurrence of the one that is not cleared; tell the CIS either way."""
    return _record(_OR_COUNT, {meter: content}, sighting, now=now)[0]


def raise_own(contents: Mapping[Meter, str], *, type: AlarmType, at: datetime, now: datetime) -> list[AlarmOccurrence]:
    """The platform's own alarm on each of these meters (with its content), but where it is not cleared yet.

    What goes on is no new occurrence. Returns those that are new.
    """
    sighting = Sighting(type=type, priority=PRIORITIES[type], source=Source.PLATFORM, at=at)
    return _record(_OR_LEAVE, contents, sighting, now=now)


@transaction.atomic
def _record(
    when_known: str, contents: Mapping[Meter, str], sighting: Sighting, *, now: datetime
) -> list[AlarmOccurrence]:
    meters = {meter.pk: meter for meter in contents}
    raised = _upsert(when_known, contents, sighting)
    occurrences = AlarmOccurrence.objects.bulk_create(
        AlarmOccurrence(
            alarm_id=alarm_id,
            at=sighting.at,
            content=contents[meters[meter_id]],
            priority=sighting.priority,
            source=sighting.source,
        )
        for alarm_id, meter_id in raised
    )
    told = [(meters[meter_id], one) for (_, meter_id), one in zip(raised, occurrences, strict=True)]
    tell_cis(told, type=sighting.type, now=now)
    return occurrences


def _upsert(when_known: str, contents: Mapping[Meter, str], sighting: Sighting) -> list[tuple[int, int]]:
    """(alarm, meter) of every alarm that was opened or counted."""
    parameters: dict[str, Any] = {
        "meters": [meter.pk for meter in contents],
        "contents": list(contents.values()),
        "type": sighting.type.value,
        "priority": sighting.priority.value,
        "by_headend": sighting.source == Source.HEADEND,
        "at": sighting.at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT + when_known, parameters)
        return cursor.fetchall()


def acknowledge(alarm: Alarm, *, by: AbstractBaseUser, now: datetime) -> None:
    """Somebody looks after it. Raises MoveRefused."""
    _move(alarm, AlarmState.ACKNOWLEDGED, acknowledged_by=by, acknowledged_at=now)


def clear(alarm: Alarm, *, by: AbstractBaseUser | None, because: str, now: datetime) -> None:
    """It is over; `by` is None when the platform says so. Raises MoveRefused."""
    _move(alarm, AlarmState.CLEARED, cleared_by=by, cleared_because=because, cleared_at=now)


def clear_all_of(meter: Meter, *, because: str, now: datetime) -> None:
    """Whatever was wrong with a meter that ends."""
    for alarm in Alarm.objects.filter(meter=meter, state__in=UNCLEARED):
        with suppress(MoveRefused):  # somebody else has just cleared it
            clear(alarm, by=None, because=because, now=now)


def _move(alarm: Alarm, to_state: AlarmState, **changes: Any) -> None:
    """The only place that moves an alarm, and only from where the table allows it, as the database knows it now."""
    sources = [state for state, targets in MOVES.items() if to_state in targets]
    if not Alarm.objects.filter(pk=alarm.pk, state__in=sources).update(state=to_state, **changes):
        raise MoveRefused(alarm, to_state)
    for name, value in {"state": to_state, **changes}.items():
        setattr(alarm, name, value)
