"""Published residential tariffs: by the tier arithmetic, and from 1007 over 1001 and 2001 to 1015, 1014 and balance."""

from datetime import date
from decimal import Decimal

import pytest
import time_machine

from meters.models import Account
from pricing.models import PriceTier
from pricing.tiers import split_volume
from readings.settlement import settle
from tests.pricing.published import ALL, PAID, Published
from tests.world import COMPANY, FACTOR, local

published = pytest.mark.parametrize("tariff", ALL, ids=lambda tariff: tariff.city)


def tiers_of(tariff: Published) -> list[PriceTier]:
    first, second = map(Decimal, tariff.ends)
    bounds = ((Decimal(0), first), (first, second), (second, None))
    return [
        PriceTier(position=position, lower=lower, upper=upper, unit_price=Decimal(unit_price))
        for position, ((lower, upper), unit_price) in enumerate(zip(bounds, tariff.unit_prices, strict=True), start=1)
    ]


def numbers(parts):
    return [tuple(map(Decimal, part)) for part in parts]


@published
def test_the_tier_arithmetic_says_what_a_year_costs(tariff):
    tiers = tiers_of(tariff)
    for volume, parts in tariff.years:
        split = split_volume(Decimal(volume), used=Decimal(0), tiers=tiers)
        assert [(part.unit_price, part.volume, part.amount) for part in split] == numbers(parts)


@published
def test_a_litre_on_either_side_of_an_end_costs_what_its_tier_says(tariff):
    """The last litre of a tier, the first one of the next, and both at once."""
    tiers, litre = tiers_of(tariff), Decimal("0.001")
    over = [row[1:] for row in tariff.turn if row[0] == "2025-12-31"]
    before = Decimal(tariff.ends[1]) - litre
    steps = [(before, litre, over[:1]), (before + litre, litre, over[1:]), (before, 2 * litre, over)]
    for used, volume, parts in steps:
        split = split_volume(volume, used=used, tiers=tiers)
        assert [(part.unit_price, part.volume, part.amount) for part in split] == numbers(parts)


def open_account(world, meter_no, begins):
    """A meter of model 3 at index 100 with a payment of 20,000 CNY."""
    registered = world.register(meter_no, priceCode="居民", sdateTime=begins, initNum="100")
    assert registered["echoCode"] == "0000", registered
    context = {"total": "1", "data": {"rechargeAmount": str(PAID), "rechargeStream": "1"}}
    names = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": meter_no, "meterNo": meter_no}
    paid = world.cis.send("1004", **names, paramNo="05", paramContext=context, sdateTime=begins)
    assert paid["echoCode"] == "0000", paid


def report(world, meter_no, moment, volume):
    answer = world.report(local(moment), str(100 + volume), meter_no)
    assert answer["echoCode"] == "0000", answer


def balances(world, meter_no):
    """That of the account, and what 1014 shows."""
    names = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": meter_no, "meterNo": meter_no}
    shown = world.cis.send("1014", **names)["echoMsg"]["balance"]
    return Account.objects.get(meter__meter_no=meter_no).balance, shown


@published
def test_a_household_pays_what_its_city_has_published(world, tariff):
    """A meter for each line, read once in the year."""
    with time_machine.travel(local("2025-06-30 23:00:00"), tick=False):
        assert world.create_price("居民", priceDetail=tariff.detail)["echoCode"] == "0000"
        meters = {f"{number:012}": line for number, line in enumerate(tariff.years, start=1)}
        for meter_no, (volume, _) in meters.items():
            open_account(world, meter_no, "2025-01-01")
            report(world, meter_no, "2025-06-30 20:00:00", Decimal(volume))
        settle(through=date(2025, 6, 30), now=local("2025-06-30 23:00:00"))
        for meter_no, (_, parts) in meters.items():
            rows = world.usage("2025-01-01", "2025-06-30", meter_no)
            assert [(row["price"], row["useGas"], row["useAmount"]) for row in rows] == list(parts)
            left = PAID - sum(Decimal(amount) for _, _, amount in parts)
            assert balances(world, meter_no) == (left, f"{left.normalize():f}")


@published
@pytest.mark.parametrize("daily", [True, False], ids=["day by day", "at once"])
def test_the_year_ends_and_the_tiers_begin_anew(world, tariff, daily):
    """The last second of the old year is still in the old tiers, the first of the new one in the new ones."""
    first, second = map(Decimal, tariff.ends)
    litre = Decimal("0.001")
    used = {
        "2025-12-30 20:00:00": second - litre,
        "2025-12-31 23:59:59": second + litre,
        "2026-01-01 00:00:00": second + litre + first,
        "2026-01-02 07:00:00": second + 2 * litre + first,
    }
    with time_machine.travel(local("2025-12-29 12:00:00"), tick=False):
        assert world.create_price("居民", priceDetail=tariff.detail)["echoCode"] == "0000"
        open_account(world, "000000000001", "2025-01-01")
    for moment, volume in used.items():
        with time_machine.travel(local(moment), tick=False):
            report(world, "000000000001", moment, volume)
            if daily or moment.startswith("2026-01-02"):
                settle(through=local(moment).date(), now=local(moment))
    with time_machine.travel(local("2026-01-02 12:00:00"), tick=False):
        rows = world.usage("2025-01-01", "2026-01-02", "000000000001")
        assert [(row["useDate"], row["price"], row["useGas"], row["useAmount"]) for row in rows] == list(tariff.turn)
        assert balances(world, "000000000001") == (Decimal(tariff.left), tariff.left)
