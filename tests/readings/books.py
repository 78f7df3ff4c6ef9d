"""Prices, meters and readings made through the services, on fixed days; and what settlement made of them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from meters.models import Account, Meter
from meters.registration import Registration, register_meter
from pricing.models import PriceKind, PriceVersion
from pricing.services import Tariff, adjust_price, create_price
from readings.intake import Intake, Report, take_report
from readings.models import DailyUsage, Reading
from readings.settlement import Settled, settle
from tests.world import World, local

# Everything here has happened by now; the days are fixed so that cycles fall where the tests say.
NOW = datetime.fromisoformat("2026-02-01T12:00:00+08:00")
# Up to 50 m3 at 1.4, up to 300 at 2.4, then 3.4 (the price of the specification's examples).
THREE_TIERS = ((50, "1.4"), (300, "2.4"), (None, "3.4"))
# Day, tier, volume, unit price, amount.
UsageRow = tuple[str, int, str, str, str]


def tariff(*tiers: tuple[Any, Any], months: int = 12) -> Tariff:
    """Tiers as (end in m3, CNY/m3), the last without an end."""
    return Tariff(
        kind=PriceKind.SINGLE if len(tiers) == 1 else PriceKind.TIERED,
        unit_prices=[Decimal(unit_price) for _, unit_price in tiers],
        ends=[Decimal(end) for end, _ in tiers[:-1]],
        cycle_months=months,
    )


def make_price(world: World, *tiers: tuple[Any, Any], code: str = "价", months: int = 12) -> PriceVersion:
    return create_price(
        company=world.company,
        manufacturer=world.manufacturer,
        code=code,
        version="V1",
        tariff=tariff(*(tiers or THREE_TIERS), months=months),
    )


def add_version(
    world: World,
    begins: str | date,
    *tiers: tuple[Any, Any],
    code: str = "价",
    months: int = 12,
    restarts: bool = False,
) -> PriceVersion:
    """A version accepted on the day on which it begins, whenever that is."""
    day = date.fromisoformat(str(begins))
    return adjust_price(
        company=world.company,
        manufacturer=world.manufacturer,
        code=code,
        version=f"from {begins}",
        tariff=tariff(*tiers, months=months),
        effective_from=day,
        restarts_cycle=restarts,
        today=day,
    )


def make_meter(
    world: World,
    meter_no: str = "188011110128",
    *,
    born: str | datetime = "2025-03-01 00:00:00",
    index: Any = 0,
    used_before: Any = 0,
    price: str = "价",
    billing_model: str = "3",
    **fields: Any,
) -> Meter:
    """A meter of model 3 with index 0 since 1 March 2025, unless said otherwise."""
    registration = Registration(
        user_no=fields.pop("user_no", meter_no),
        meter_no=meter_no,
        device_id=None,
        meter_type="441",
        billing_model=billing_model,
        pay_mode="1",
        registered_at=born if isinstance(born, datetime) else local(born),
        initial_index=Decimal(index),
        price_code=price,
        initial_cycle_volume=Decimal(used_before),
        **fields,
    )
    return register_meter(company=world.company, manufacturer=world.manufacturer, registration=registration, now=NOW)


def read(meter: Meter, moment: str | datetime, index: Any, *, now: datetime = NOW, **fields: Any) -> Intake:
    """A reading of `index` m3 at a local moment; `backfill` maps days to indexes."""
    backfill = {date.fromisoformat(str(day)): Decimal(value) for day, value in fields.pop("backfill", {}).items()}
    at = moment if isinstance(moment, datetime) else local(moment)
    report = Report(read_at=at, index=Decimal(index), backfill=backfill, **fields)
    return take_report(Meter.objects.get(pk=meter.pk), report, now=now)


def settle_through(day: str | date, *, now: datetime = NOW) -> Settled:
    return settle(through=date.fromisoformat(str(day)), now=now)


def usage(meter: Meter) -> list[UsageRow]:
    rows = DailyUsage.objects.filter(meter=meter).order_by("day", "tier")
    return [(str(row.day), row.tier, plain(row.volume), plain(row.unit_price), plain(row.amount)) for row in rows]


def qualities(meter: Meter) -> list[tuple[str, str, str]]:
    """Local moment, index and verdict of every reading, in order of time and arrival."""
    readings = Reading.objects.filter(meter=meter).order_by("read_at", "id")
    return [
        (f"{timezone.localtime(one.read_at):%Y-%m-%d %H:%M:%S}", plain(one.index), str(one.quality)) for one in readings
    ]


def account(meter: Meter) -> dict[str, Any]:
    """Every field of the meter's account, as stored."""
    return dict(Account.objects.filter(meter=meter).values().get())


def plain(number: Decimal) -> str:
    """12.5000 -> "12.5"."""
    return f"{number.normalize():f}"


def local_day(text: str) -> date:
    return date.fromisoformat(text)
