"""Proving the books: everything settled is computed once more, meter by meter, from readings, prices and recharges.

This is the slow second opinion on settlement: it shares its inputs, the tier rule in Python and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone

from meters.models import AccountEntry, BillingModel, EntryKind, Meter
from pricing.models import Price
from pricing.schedule import PriceSchedule
from pricing.tiers import TierPart, split_volume
from readings.models import DailyUsage, Quality, Reading
from readings.usage import chain_of
from readings.validation import Anchor, Limits, judge_all

BATCH = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """What is kept of a meter against what it should be."""

    meter_no: str
    what: str
    kept: str
    expected: str


class Audit:
    """Price tables are read once and held; meters are read in batches."""

    def __init__(self) -> None:
        self._schedules: dict[int, PriceSchedule] = {}

    def differences(self, meters: QuerySet[Meter]) -> Iterator[Difference]:
        for meter in meters.select_related("account", "state").order_by("pk").iterator(chunk_size=BATCH):
            yield from self._verdicts(meter)
            yield from self._usage(meter)
            yield from _totals(meter)
            if meter.billing_model == BillingModel.PLATFORM:
                yield from _history(meter)

    def _verdicts(self, meter: Meter) -> Iterator[Difference]:
        anchor = Anchor(meter.registered_at, meter.initial_index)
        limits = Limits(born_at=meter.registered_at, jump_m3_per_day=settings.READING_JUMP_LIMIT_M3_PER_DAY)
        latest = None
        for reading, quality in judge_all(_readings(meter), anchor=anchor, limits=limits, first=True):
            if quality != reading.quality:
                yield _difference(meter, f"quality of reading {reading.pk}", reading.quality, quality)
            latest = reading.index if quality == Quality.VALID else latest
        if meter.state.index != latest:
            yield _difference(meter, "latest index", meter.state.index, latest)

    def _usage(self, meter: Meter) -> Iterator[Difference]:
        kept: dict[date, list[TierPart]] = {}
        for row in DailyUsage.objects.filter(meter=meter, day__lt=meter.account.unsettled_from).order_by("day", "tier"):
            part = TierPart(tier=row.tier, volume=row.volume, unit_price=row.unit_price, amount=row.amount)
            kept.setdefault(row.day, []).append(part)
        expected = self._expected(meter)
        for day in sorted({*kept, *expected}):
            if kept.get(day) != expected.get(day):
                yield _difference(meter, f"usage of {day}", _text(kept.get(day)), _text(expected.get(day)))

    def _expected(self, meter: Meter) -> dict[date, list[TierPart]]:
        """The parts of every settled day, from the readings and the prices alone."""
        volumes, prices = list(_earlier_volumes(meter)), list(meter.meter_prices.all())
        expected = {}
        for day, volume in _volumes(meter, until=meter.account.unsettled_from):
            held = next(row for row in prices if row.starts <= day and (row.ends is None or day < row.ends))
            on_day = self._schedule(held.price_id).on(day)
            used = sum((past for when, past in volumes if when >= on_day.cycle_start), Decimal(0))
            expected[day] = split_volume(volume, used=used, tiers=on_day.tiers)
            volumes.append((day, volume))
        return expected

    def _schedule(self, price_id: int) -> PriceSchedule:
        if price_id not in self._schedules:
            self._schedules[price_id] = PriceSchedule(Price.objects.get(pk=price_id))
        return self._schedules[price_id]


def _readings(meter: Meter) -> Iterator[Reading]:
    rows = Reading.objects.filter(meter=meter).order_by("read_at", "pk")
    return rows.only("read_at", "index", "quality", "decision", "meter_id").iterator(chunk_size=1000)


def _volumes(meter: Meter, *, until: date) -> list[tuple[date, Decimal]]:
    """m3 per day that has a valid reading, before the day `until`."""
    closes: dict[date, Decimal] = {}
    for reading in _readings(meter):
        day = timezone.localdate(reading.read_at)
        if reading.quality == Quality.VALID and day < until:
            closes[day] = reading.index
    previous, volumes = meter.initial_index, []
    for day, index in closes.items():
        volumes.append((day, index - previous))
        previous = index
    return volumes


def _earlier_volumes(meter: Meter) -> Iterator[tuple[date, Decimal]]:
    """What counts in a cycle beside the meter's own days: the volume used before its chain, and its chain's days."""
    chain = list(chain_of(meter).select_related("account"))
    yield timezone.localdate(chain[0].registered_at), chain[0].initial_cycle_volume
    for earlier in chain[:-1]:
        yield from _volumes(earlier, until=earlier.account.unsettled_from)


def _totals(meter: Meter) -> Iterator[Difference]:
    rows = DailyUsage.objects.filter(meter=meter)
    sums = rows.aggregate(volume=Sum("volume", default=Decimal(0)), amount=Sum("amount", default=Decimal(0)))
    if meter.account.settled_volume != sums["volume"]:
        yield _difference(meter, "settled volume", meter.account.settled_volume, sums["volume"])
    if meter.account.settled_amount != sums["amount"]:
        yield _difference(meter, "settled amount", meter.account.settled_amount, sums["amount"])


def _history(meter: Meter) -> Iterator[Difference]:
    """The entries add up to the balance, and those of settlement to what was settled."""
    account = meter.account
    entries = AccountEntry.objects.filter(meter=meter)
    total = entries.aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    if account.balance != total:
        yield _difference(meter, "balance", account.balance, total)
    settled = entries.filter(kind__in=[EntryKind.SETTLEMENT, EntryKind.CORRECTION])
    charged = -settled.aggregate(sum=Sum("amount", default=Decimal(0)))["sum"]
    if account.settled_amount != charged:
        yield _difference(meter, "settled amount in the history", account.settled_amount, charged)


def _difference(meter: Meter, what: str, kept: object, expected: object) -> Difference:
    return Difference(meter_no=meter.meter_no, what=what, kept=str(kept), expected=str(expected))


def _text(parts: list[TierPart] | None) -> str:
    return "; ".join(f"{part.volume} m3 at {part.unit_price} = {part.amount} CNY" for part in parts or []) or "nothing"
