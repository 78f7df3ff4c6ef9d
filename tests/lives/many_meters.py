"""A company with thousands of meters, written straight into the tables; only its names differ from the next one."""

import os
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.db.models import Q
from django.utils import timezone

from commands.models import Command
from meters.models import Account, AccountEntry, Meter, MeterPrice, MeterState
from pricing.models import PriceKind
from pricing.services import Tariff, adjust_price, create_price
from protocol.models import Company, Manufacturer
from readings.models import DailyUsage, Reading
from readings.settlement import settle
from tests.running.processes import database_url
from tests.world import build_world

PRICE = "阶梯"
TARIFF = Tariff(PriceKind.TIERED, [Decimal("1.4"), Decimal("2.3333"), Decimal("3.4")], [Decimal(5), Decimal(20)], 12)
DEARER = Tariff(PriceKind.TIERED, [Decimal("1.5"), Decimal("3.5")], [Decimal("7.5")], 1)


@cache
def today() -> date:
    """The same for all towns, though it may be midnight meanwhile."""
    return timezone.localdate()


@dataclass(frozen=True)
class Town:
    """Its days count from 1 to 6, the day before today; on the third some meters were replaced."""

    company: Company
    manufacturer: Manufacturer

    def day(self, number: int) -> date:
        return today() - timedelta(days=7 - number)

    def moment(self, number: int, hour: int = 12) -> datetime:
        return timezone.make_aware(datetime.combine(self.day(number), time(hour)))

    @property
    def meters(self) -> list[Meter]:
        return list(Meter.objects.filter(company=self.company).order_by("meter_no"))


def found(name: str, *, meters: int, replaced: int) -> Town:
    """`name` is a digit. Every meter has readings until the third day, on which the first ones were `replaced`."""
    world = build_world(company=f"{name:0>8}", factor=f"{name:0>4}")
    town = Town(world.company, world.manufacturer)
    _names = {"company": town.company, "manufacturer": town.manufacturer}
    version = create_price(**_names, code=PRICE, version="V1", tariff=TARIFF)
    olds = Meter.objects.bulk_create(_meter(town, name, number, ended=number < replaced) for number in range(meters))
    news = Meter.objects.bulk_create(_heir(town, old, number) for number, old in enumerate(olds[:replaced], meters))
    MeterState.objects.bulk_create(MeterState(meter=meter) for meter in [*olds, *news])
    MeterPrice.objects.bulk_create(
        MeterPrice(meter=meter, price=version.price, starts=town.day(3 if meter.origin_id else 1))
        for meter in [*olds, *news]
    )
    Account.objects.bulk_create(_account(town, meter) for meter in [*olds, *news])
    AccountEntry.objects.bulk_create(
        AccountEntry(meter=old, kind="recharge", amount=_paid(old), day=town.day(1), reference="r") for old in olds
    )
    Reading.objects.bulk_create(_reading(town, old, day) for old in olds for day in (2, 3))
    return town


def go_on(town: Town) -> None:
    """Late readings of the first day, those of the last days, and a price that is dearer since the second."""
    meters = town.meters
    late = [meter for number, meter in enumerate(meters) if number % 3 == 0 and not meter.origin_id]
    Reading.objects.bulk_create(_reading(town, meter, 1) for meter in late)
    Account.objects.filter(meter__in=late).update(unsettled_from=town.day(1))
    active = [meter for meter in meters if meter.status == "active"]
    Reading.objects.bulk_create(_reading(town, meter, day) for meter in active for day in (4, 5, 6))
    adjust_price(
        company=town.company,
        manufacturer=town.manufacturer,
        code=PRICE,
        version="V2",
        tariff=DEARER,
        effective_from=town.day(2),
        restarts_cycle=False,
        today=town.day(2),
    )


def figures(town: Town) -> dict[str, list[tuple[Any, ...]]]:
    """All that settlement has made, by the number of the meter in its town."""
    of_town = {"meter__company": town.company}
    usage = DailyUsage.objects.filter(**of_town).order_by("meter__user_name", "day", "tier")
    accounts = Account.objects.filter(**of_town).order_by("meter__user_name")
    entries = AccountEntry.objects.filter(**of_town)
    commands = Command.objects.filter(**of_town).order_by("meter__user_name", "pk")
    return {
        "usage": list(usage.values_list("meter__user_name", "day", "tier", "volume", "unit_price", "amount")),
        "accounts": [
            (account.meter.user_name, *(getattr(account, name) for name in KEPT))
            for account in accounts.select_related("meter")
        ],
        "entries": sorted(entries.values_list("meter__user_name", "kind", "amount", "day", "reference")),
        "commands": list(commands.values_list("meter__user_name", "kind", "origin", "payload__valveSet")),
    }


KEPT = [
    *("unsettled_from", "settled_through", "closes_on", "settled_index", "cycle_start", "cycle_volume"),
    *("settled_volume", "settled_amount", "credited", "balance", "in_arrears"),
]


def unsettled(town: Town) -> int:
    """Accounts that are not settled through the sixth day yet, or to their end."""
    done = Q(unsettled_from__gt=town.day(6)) | Q(closes_on__isnull=False, unsettled_from__gt=town.day(3))
    return Account.objects.filter(meter__company=town.company).exclude(done).count()


def settle_through(town: Town, number: int) -> None:
    settle(through=town.day(number), now=timezone.now())


def settling(town: Town) -> list[str]:
    """The command that settles through the sixth day."""
    return ["manage", "settle", "--through", str(town.day(6))]


def environment(*, chunk: int) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url(),
        "SETTLEMENT_CHUNK_METERS": str(chunk),
        "SETTLEMENT_CONNECTIONS": "2",
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
    }


def _meter(town: Town, name: str, number: int, *, ended: bool) -> Meter:
    return Meter(
        company=town.company,
        manufacturer=town.manufacturer,
        user_no=f"{name}-{number}",
        user_name=f"{number:06}",
        meter_no=f"{name}{number:011}",
        device_id=f"{name}-{number}",
        meter_type="441",
        billing_model="3",
        pay_mode="1" if number % 25 == 0 else "2",
        registered_at=town.moment(1, 0),
        initial_index=Decimal(number % 7),
        initial_cycle_volume=Decimal(number % 5),
        created_at=town.moment(1, 0),
        status="ended" if ended else "active",
        ended_at=town.moment(3) if ended else None,
        closing_index=_index(number, 3) if ended else None,
    )


def _heir(town: Town, old: Meter, number: int) -> Meter:
    return Meter(
        company=town.company,
        manufacturer=town.manufacturer,
        user_no=old.user_no,
        user_name=f"{number:06}",
        meter_no=f"{old.meter_no[0]}{number:011}",
        device_id=f"{old.meter_no[0]}-{number}",
        meter_type="441",
        billing_model="3",
        pay_mode=old.pay_mode,
        registered_at=town.moment(3),
        initial_index=Decimal(number % 7),
        created_at=town.moment(3),
        replaces=old,
        origin=old,
    )


def _account(town: Town, meter: Meter) -> Account:
    first_day = town.day(3 if meter.origin_id else 1)
    return Account(
        meter=meter,
        unsettled_from=first_day,
        settled_through=first_day - timedelta(days=1),
        closes_on=town.day(3) if meter.status == "ended" else None,
        settled_index=meter.initial_index,
        kept_here=True,
        is_heir=meter.origin_id is not None,
        overdraft_limit=Decimal(0) if meter.pay_mode == "1" else None,
        credited=Decimal(0) if meter.origin_id else _paid(meter),
    )


def _paid(meter: Meter) -> Decimal:
    return Decimal(int(meter.user_name) % 3 * 40 + 1)


def _reading(town: Town, meter: Meter, day: int) -> Reading:
    moment = town.moment(day)
    index = _index(int(meter.user_name), day)
    return Reading(meter=meter, read_at=moment, index=index, quality="valid", source="report", received_at=moment)


def _index(number: int, day: int) -> Decimal:
    return number % 7 + day * (number % 11) * Decimal("1.2345")
