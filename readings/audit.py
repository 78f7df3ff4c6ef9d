"""Proving the books: everything settled is computed once more, meter by meter, from readings, prices and recharges.

This is the slow second opinion on settlement: it shares its inputs, the tier rule in Python and nothing else.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from meters.models import Account, Meter, MeterPrice
from pricing.models import Price, PriceVersion
from pricing.schedule import PriceSchedule
from pricing.tiers import TierPart, split_volume
from readings.audit_account import Difference, Volumes, account_differences, difference
from readings.models import DailyUsage, Quality, Reading
from readings.usage import chain_of
from readings.validation import Anchor, Limits, judge_all

BATCH = 500


class Audit:
    """Price tables are read once and held; meters are read in batches."""

    def __init__(self) -> None:
        self._forget_prices()

    def differences(self, meters: QuerySet[Meter]) -> Iterator[Difference]:
        for meter in meters.select_related("account", "state").order_by("pk").iterator(chunk_size=BATCH):
            if any(True for _ in self._of(meter)):
                yield from self._looked_at_again(meter)

    @transaction.atomic
    def _looked_at_again(self, meter: Meter) -> list[Difference]:
        """Somebody may have reported or settled meanwhile: what differs while the meter is locked is a difference."""
        accounts = Account.objects.filter(meter__in=chain_of(meter))
        list(accounts.select_for_update(of=("self",)).order_by("is_heir", "meter_id"))
        self._forget_prices()
        return list(self._of(Meter.objects.select_related("account", "state").get(pk=meter.pk)))

    def _forget_prices(self) -> None:
        self._schedules: dict[int, PriceSchedule] = {}
        waiting = PriceVersion.objects.filter(applied_at__isnull=True, effective_from__isnull=False)
        begins = waiting.order_by("price").values_list("price").annotate(Min("effective_from"))
        self._to_be_taken_up: dict[int, date] = dict(begins)

    def _of(self, meter: Meter) -> Iterator[Difference]:
        earlier, own = list(_earlier_volumes(meter)), _volumes(meter, until=meter.account.unsettled_from)
        yield from self._verdicts(meter)
        yield from self._usage(meter, earlier=earlier, own=own)
        yield from account_differences(meter, earlier=earlier, own=own)

    def _verdicts(self, meter: Meter) -> Iterator[Difference]:
        anchor = Anchor(meter.registered_at, meter.initial_index)
        limits = Limits(born_at=meter.registered_at, jump_m3_per_day=settings.READING_JUMP_LIMIT_M3_PER_DAY)
        latest = None
        for reading, quality in judge_all(_readings(meter), anchor=anchor, limits=limits, first=True):
            if quality != reading.quality:
                yield difference(meter, f"quality of reading {reading.pk}", reading.quality, quality)
            latest = reading.index if quality == Quality.VALID else latest
        if meter.state.index != latest:
            yield difference(meter, "latest index", meter.state.index, latest)

    def _usage(self, meter: Meter, *, earlier: Volumes, own: Volumes) -> Iterator[Difference]:
        prices = list(meter.meter_prices.all())
        until = self._settled_until(meter, prices)
        kept: dict[date, list[TierPart]] = {}
        for row in DailyUsage.objects.filter(meter=meter, day__lt=until).order_by("day", "tier"):
            part = TierPart(tier=row.tier, volume=row.volume, unit_price=row.unit_price, amount=row.amount)
            kept.setdefault(row.day, []).append(part)
        expected = self._expected(prices, earlier=earlier, own=[one for one in own if one[0] < until])
        for day in sorted({*kept, *expected}):
            if kept.get(day) != expected.get(day):
                yield difference(meter, f"usage of {day}", _text(kept.get(day)), _text(expected.get(day)))

    def _settled_until(self, meter: Meter, prices: list[MeterPrice]) -> date:
        """The first day that is still due, also for a new version that the next settlement takes up."""
        due = [meter.account.unsettled_from]
        for held in prices:
            begins = self._to_be_taken_up.get(held.price_id)
            if begins is not None and (held.ends is None or held.ends > begins):
                due.append(max(begins, held.starts))
        return min(due)

    def _expected(self, prices: list[MeterPrice], *, earlier: Volumes, own: Volumes) -> dict[date, list[TierPart]]:
        """The parts of every settled day, from the readings and the prices alone."""
        volumes, expected = list(earlier), {}
        for day, volume in own:
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


def _text(parts: list[TierPart] | None) -> str:
    return "; ".join(f"{part.volume} m3 at {part.unit_price} = {part.amount} CNY" for part in parts or []) or "nothing"
