"""What the staff decide about readings that the rules have flagged, or should have (R10).

A decision changes no reading, only its verdict; the readings after it are judged again and its day is settled again.
"""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from meters.models import MeterState
from protocol.transactions import atomically
from readings.latest import last_valid
from readings.models import Decision, Quality, Reading, ReadingReview, Source
from readings.resettlement import lock_with_heirs, move_back_from
from readings.verdicts import judge_again
from staff.acts import put_on_record

NEIGHBOURS = 8


class ReviewRefused(Exception):
    """Says in the reader's language why a decision cannot stand."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A reading, with up to NEIGHBOURS of the same meter on either side, in order of time."""

    reading: Reading
    around: list[Reading]


def neighbourhood(reading: Reading) -> Neighbourhood:
    mine = Reading.objects.filter(meter=reading.meter_id)
    before = mine.filter(read_at__lte=reading.read_at).exclude(pk=reading.pk).order_by("-read_at", "-id")[:NEIGHBOURS]
    after = mine.filter(read_at__gt=reading.read_at).order_by("read_at", "id")[:NEIGHBOURS]
    return Neighbourhood(reading=reading, around=[*reversed(before), reading, *after])


@atomically
def decide(reading: Reading, *, decision: Decision, note: str, by: User, now: datetime) -> ReadingReview:
    """Accept or reject `reading`, or (Decision.NONE) leave it to the rules again; settled with the next settlement.

    Raises ReviewRefused, having changed nothing: without a note; when nothing would change; for the closing reading of
    a meter; for an acceptance that would have the index fall, or come twice at one moment, or before the meter's life.
    """
    if not note.strip():
        raise ReviewRefused(_("Say why: a decision needs a note."))
    # What a meter used counts in the cycle of those that replaced it.
    meters = lock_with_heirs([reading.meter_id])
    known = Reading.objects.filter(pk=reading.pk, meter=reading.meter_id, read_at=reading.read_at)
    reading = known.select_related("meter__company").get()
    before = Quality(reading.quality)
    _refuse_senseless(reading, decision)
    known.update(decision=decision)
    judge_again(reading.meter, [reading])
    after = Quality(known.values_list("quality", flat=True).get())
    if decision == Decision.ACCEPTED and after != Quality.VALID:
        raise ReviewRefused(_IMPOSSIBLE[after])
    if Reading.objects.filter(meter=reading.meter, source=Source.CLOSING).exclude(quality=Quality.VALID).exists():
        raise ReviewRefused(_("The closing reading of the meter would no longer count."))
    move_back_from(meters, begins=timezone.localdate(reading.read_at))
    read_at, index = last_valid(reading.meter, near=reading.read_at) or (None, None)
    MeterState.objects.filter(meter=reading.meter).update(read_at=read_at, index=index)
    return _keep(reading, decision=decision, before=before, after=after, note=note.strip(), by=by, now=now)


_IMPOSSIBLE = {
    Quality.EARLY: _("It was taken before the meter's life began, and is never settled."),
    Quality.CONFLICT: _("Another reading of the same moment counts. Reject that one first."),
    Quality.DECREASE: _("An earlier reading that counts is higher. If that one is wrong, reject it first."),
    Quality.JUMP: _("It still jumps beyond the limit."),
    Quality.REJECTED: _("It is rejected."),
}


def _refuse_senseless(reading: Reading, decision: Decision) -> None:
    if reading.decision == decision:
        raise ReviewRefused(_("This has been decided already."))
    if decision == Decision.ACCEPTED and reading.quality == Quality.VALID:
        raise ReviewRefused(_("It counts already."))
    if reading.source == Source.CLOSING:
        raise ReviewRefused(_("The closing reading of a meter is what its life was settled by."))


def _keep(
    reading: Reading, *, decision: Decision, before: Quality, after: Quality, note: str, by: User, now: datetime
) -> ReadingReview:
    put_on_record(
        by=by,
        act="reading.review",
        target=reading,
        company=reading.meter.company,
        before={"decision": reading.decision, "quality": before.value},
        after={"decision": decision.value, "quality": after.value},
        note=note,
    )
    return ReadingReview.objects.create(
        meter=reading.meter,
        read_at=reading.read_at,
        index=reading.index,
        decision=decision,
        quality_before=before,
        quality_after=after,
        note=note,
        by=by,
        at=now,
    )
