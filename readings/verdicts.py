"""Writing verdicts (R10): judging readings in their place among those of their meter, and what follows from a change.

Whoever calls these holds the meter's account row.
"""

from collections.abc import Sequence

from django.conf import settings
from django.utils import timezone

from meters.models import Account, Meter
from readings.latest import last_valid
from readings.models import Quality, Reading
from readings.validation import Anchor, Judged, Limits, judge_all


def judge_again(meter: Meter, touched: Sequence[Judged]) -> None:
    """Judge these readings and those after them, until a valid one stays valid: from there on nothing changes."""
    mine = Reading.objects.filter(meter=meter)
    first, last = min(reading.read_at for reading in touched), max(reading.read_at for reading in touched)
    before = last_valid(meter, before=first)
    anchor = Anchor(*before) if before else Anchor(meter.registered_at, meter.initial_index)
    limits = Limits(born_at=meter.registered_at, jump_m3_per_day=settings.READING_JUMP_LIMIT_M3_PER_DAY)
    later = mine.filter(read_at__gte=first).order_by("read_at", "id").only("read_at", "index", "quality", "decision")
    changed: dict[Quality, list[int]] = {}
    for reading, quality in judge_all(
        later.iterator(chunk_size=200), anchor=anchor, limits=limits, first=before is None
    ):
        if quality != reading.quality:
            changed.setdefault(quality, []).append(reading.pk)
        elif reading.read_at > last and quality == Quality.VALID:
            break
    for verdict, keys in changed.items():
        mine.filter(pk__in=keys, read_at__gte=first).update(quality=verdict)


def move_back(account: Account, touched: Sequence[Reading]) -> None:
    """The first day that has to be settled (again), never before the meter's life began."""
    day = min(timezone.localdate(reading.read_at) for reading in touched)
    day = max(day, timezone.localdate(account.meter.registered_at))
    if day < account.unsettled_from:
        account.unsettled_from = day
        account.save(update_fields=["unsettled_from"])
