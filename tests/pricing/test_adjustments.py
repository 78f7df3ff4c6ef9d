"""1007 adjustments lived through: to come, in the past, in the middle of a cycle, with the cycle begun anew (R9).

The meter uses 10 m3 a day from 10 to 19 March, at 2 CNY/m3 up to 50 m3 of the year and 3 beyond; 200 CNY are paid.
"""

from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse

from commands.models import Command
from meters.models import Account, AccountEntry, Meter
from readings.settlement import settle
from tests.admin.browsing import sign_in
from tests.lives.proof import prove_books
from tests.pricing.price_messages import EXISTS, stored
from tests.world import COMPANY, FACTOR, local

METER = "188011110128"
NAMES = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER}
TIERS = {"priceLength": "2", "price1": "2", "ladder1End": "50", "price2": "3"}
CHEAP = {"priceLength": "1", "price1": "1"}
DEAR = {"priceLength": "2", "price1": "4", "ladder1End": "50", "price2": "6"}


def settle_through(day):
    settle(through=local(f"{day} 00:00:00").date(), now=local("2026-03-20 12:00:00"))


@pytest.fixture
def world(world, settings):
    settings.PRICE_MAX_BACKDATE_DAYS = 5
    with time_machine.travel(local("2026-03-20 12:00:00"), tick=False):
        assert world.create_price("阶梯", priceDetail=TIERS)["echoCode"] == "0000"
        assert world.register(METER, priceCode="阶梯", sdateTime="2026-03-10")["echoCode"] == "0000"
        days = {f"2026-03-{day}": str((day - 9) * 10) for day in range(10, 19)}
        answer = world.report(local("2026-03-19 20:00:00"), "100", METER, addGas=days)
        assert answer["echoCode"] == "0000", answer
        context = {"total": "1", "data": {"rechargeAmount": "200", "rechargeStream": "1"}}
        paid = world.cis.send("1004", **NAMES, paramNo="05", paramContext=context, sdateTime="2026-03-20")
        assert paid["echoCode"] == "0000"
        yield world


def adjust(world, begins, detail, *, version="V2", **fields):
    kind = {"priceType": "1" if detail["priceLength"] == "1" else "2", "cycleLength": "12", "clearFlag": "1"}
    return world.create_price(
        "阶梯", priceProperty="2", priceVersion=version, priceBeginDate=begins, priceDetail=detail, **{**kind, **fields}
    )


def amounts(world, first="2026-03-14", last="2026-03-17"):
    rows = world.usage(first, last, METER)
    return [(row["useDate"][-2:], row["price"], row["useGas"], row["useAmount"]) for row in rows]


def balance():
    return Account.objects.get().balance


def corrections():
    kinds = AccountEntry.objects.filter(kind="correction").order_by("pk")
    return list(kinds.values_list("amount", "old_amount", "new_amount"))


def test_a_version_to_come_holds_from_its_day(world):
    """Accepted on the 20th for the 22nd: the day before still costs the old price."""
    assert adjust(world, "2026-03-22", CHEAP)["echoCode"] == "0000"
    settle_through("2026-03-19")
    with time_machine.travel(local("2026-03-23 08:00:00"), tick=False):
        answer = world.report(local("2026-03-22 20:00:00"), "120", METER, addGas={"2026-03-21": "110"})
        assert answer["echoCode"] == "0000"
        settle(through=local("2026-03-22 00:00:00").date(), now=local("2026-03-23 08:00:00"))
        assert amounts(world, "2026-03-19", "2026-03-22") == [
            ("19", "3", "10", "30"),
            ("21", "3", "10", "30"),
            ("22", "1", "10", "10"),
        ]
        # 50 at 2, 60 at 3, 10 at 1.
        assert balance() == 200 - 100 - 180 - 10
        assert corrections() == []
        prove_books()


def test_a_version_of_the_past_settles_its_days_again_and_corrects_the_balance(world):
    settle_through("2026-03-19")
    assert balance() == 200 - 250
    assert adjust(world, "2026-03-15", CHEAP)["echoCode"] == "0000"
    assert amounts(world)[1:] == [("15", "3", "10", "30"), ("16", "3", "10", "30"), ("17", "3", "10", "30")]
    settle_through("2026-03-19")
    assert amounts(world) == [
        ("14", "2", "10", "20"),
        ("15", "1", "10", "10"),
        ("16", "1", "10", "10"),
        ("17", "1", "10", "10"),
    ]
    assert corrections() == [(Decimal(100), Decimal(150), Decimal(50))]
    assert balance() == 200 - 150
    shown = world.cis.send("1014", **NAMES)["echoMsg"]
    assert (shown["balance"], shown["sumUseMoney"], shown["price"]) == ("50", "150", "1")
    prove_books()
    settle_through("2026-03-19")
    assert len(corrections()) == 1


def test_the_staff_see_what_it_cost_before_and_after(world, client):
    settle_through("2026-03-19")
    assert adjust(world, "2026-03-15", CHEAP)["echoCode"] == "0000"
    settle_through("2026-03-19")
    sign_in(client, language="en")
    entry = AccountEntry.objects.get(kind="correction")
    amount, old, new = "100.0000", "150.0000", "50.0000"
    for page in (
        reverse("admin:meters_accountentry_changelist"),
        reverse("admin:meters_accountentry_change", args=[entry.pk]),
    ):
        text = client.get(page).text
        assert all(number in text for number in (amount, old, new)), page
    life = client.get(reverse("admin:meters_meter_change", args=[Meter.objects.get().pk])).text
    assert f"settled again: {amount} CNY ({old} → {new} CNY)" in life


@pytest.mark.parametrize(("begins", "code"), [("2026-03-15", "0000"), ("2026-03-14", "9999")])
def test_how_far_back_is_bounded(world, begins, code):
    settle_through("2026-03-19")
    before = stored()
    assert adjust(world, begins, CHEAP)["echoCode"] == code
    settle_through("2026-03-19")
    if code == "9999":
        assert stored() == before
        assert corrections() == []


def test_what_exists_is_2004_and_settles_nothing_again(world):
    assert adjust(world, "2026-03-15", CHEAP)["echoCode"] == "0000"
    settle_through("2026-03-19")
    before = (stored(), balance(), amounts(world))
    assert adjust(world, "2026-03-16", DEAR) == EXISTS
    assert adjust(world, "2026-03-15", DEAR, version="V3") == EXISTS
    assert world.create_price("阶梯", priceDetail=DEAR) == EXISTS
    settle_through("2026-03-19")
    assert (stored(), balance(), amounts(world)) == before


@pytest.mark.parametrize(
    ("clear_flag", "rows"),
    [
        ("1", [("14", "2", "10", "20"), ("15", "6", "10", "60"), ("16", "6", "10", "60"), ("17", "6", "10", "60")]),
        ("0", [("14", "2", "10", "20"), ("15", "4", "10", "40"), ("16", "4", "10", "40"), ("17", "4", "10", "40")]),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["in time", "of the past"])
def test_in_the_middle_of_a_cycle_the_count_goes_on_or_begins_anew(world, clear_flag, rows, late):
    """50 m3 were used by the 14th: the version of the 15th is in its second tier, unless clearFlag is 0."""
    if late:
        settle_through("2026-03-19")
    assert adjust(world, "2026-03-15", DEAR, clearFlag=clear_flag)["echoCode"] == "0000"
    settle_through("2026-03-19")
    assert amounts(world) == rows
    prove_books()


def test_a_cycle_begun_anew_reaches_its_own_second_tier(world):
    assert adjust(world, "2026-03-15", {**DEAR, "ladder1End": "25"}, clearFlag="0")["echoCode"] == "0000"
    settle_through("2026-03-19")
    assert amounts(world)[1:] == [
        ("15", "4", "10", "40"),
        ("16", "4", "10", "40"),
        ("17", "4", "5", "20"),
        ("17", "6", "5", "30"),
    ]


def test_a_dearer_past_uses_up_a_balance_and_closes_the_valve(world):
    """250 CNY of 260 became 400: the settlement that finds it asks for the valve."""
    context = {"total": "1", "data": {"rechargeAmount": "60", "rechargeStream": "2"}}
    assert (
        world.cis.send("1004", **NAMES, paramNo="05", paramContext=context, sdateTime="2026-03-20")["echoCode"]
        == "0000"
    )
    settle_through("2026-03-19")
    assert (balance(), Account.objects.get().in_arrears) == (10, False)
    assert not Command.objects.filter(kind="03").exists()
    assert adjust(world, "2026-03-15", DEAR)["echoCode"] == "0000"
    settle_through("2026-03-19")
    assert corrections() == [(Decimal(-150), Decimal(150), Decimal(300))]
    assert (balance(), Account.objects.get().in_arrears) == (-140, True)
    assert Command.objects.get(kind="03").payload["valveSet"] == "1"


def test_a_cheaper_past_ends_arrears(world):
    settle_through("2026-03-19")
    assert (balance(), Account.objects.get().in_arrears) == (-50, True)
    assert adjust(world, "2026-03-15", CHEAP)["echoCode"] == "0000"
    settle_through("2026-03-19")
    assert (balance(), Account.objects.get().in_arrears) == (50, False)
