"""1008: the price of a meter on any day, past ones too; each holds until the day before the next (R9)."""

from datetime import date

import pytest
import time_machine
from django.db import IntegrityError, transaction

from meters.models import Meter, MeterPrice
from meters.prices import price_on
from readings.settlement import settle
from tests.lives.proof import prove_books
from tests.world import COMPANY, FACTOR, PRICE, local

METER = "188011110128"


def change(world, day, code, clock="00:00:00"):
    with time_machine.travel(local(f"2026-03-{day} {clock}"), tick=False):
        body = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER}
        assert world.cis.send("1008", **body, newPriceCode=code)["echoCode"] == "0000"


def code_on(day):
    price = price_on(Meter.objects.get(), date.fromisoformat(day))
    return price.code if price else None


def spans():
    return [(row.price.code, str(row.starts), str(row.ends)) for row in MeterPrice.objects.order_by("starts")]


@pytest.fixture
def world(priced_world):
    with time_machine.travel(local("2026-03-25 12:00:00"), tick=False):
        for code, unit_price in (("一", "1"), ("二", "2")):
            detail = {"priceLength": "1", "price1": unit_price}
            assert priced_world.create_price(code, priceType="1", priceDetail=detail)["echoCode"] == "0000"
        assert priced_world.register(METER, sdateTime="20260310080000")["echoCode"] == "0000"
    return priced_world


def test_each_price_ends_where_the_next_begins(world):
    """The first moment of a day and the last one count for the whole day."""
    change(world, 12, "一", "23:59:59")
    change(world, 15, "二", "00:00:00")
    change(world, 15, "二", "09:00:00")
    change(world, 20, PRICE, "12:00:00")
    assert spans() == [
        (PRICE, "2026-03-10", "2026-03-12"),
        ("一", "2026-03-12", "2026-03-15"),
        ("二", "2026-03-15", "2026-03-20"),
        (PRICE, "2026-03-20", "None"),
    ]
    days = {
        "09": None,
        "10": PRICE,
        "11": PRICE,
        "12": "一",
        "14": "一",
        "15": "二",
        "19": "二",
        "20": PRICE,
        "31": PRICE,
    }
    assert {day: code_on(f"2026-03-{day}") for day in days} == days


def test_every_day_is_billed_at_the_price_it_had(world):
    change(world, 12, "一")
    change(world, 14, "二", "23:59:59")
    with time_machine.travel(local("2026-03-16 12:00:00"), tick=False):
        days = {f"2026-03-{day}": str(day - 9) for day in range(10, 15)}
        assert world.report(local("2026-03-15 12:00:00"), "6", METER, addGas=days)["echoCode"] == "0000"
        settle(through=date(2026, 3, 15), now=local("2026-03-16 12:00:00"))
        rows = world.usage("2026-03-10", "2026-03-15", METER)
        prove_books()
    assert [(row["useDate"][-2:], row["price"]) for row in rows] == [
        *(("10", "1.4"), ("11", "1.4"), ("12", "1"), ("13", "1"), ("14", "2"), ("15", "2")),
    ]


def test_changes_of_one_day_leave_the_last(world):
    change(world, 12, "一")
    change(world, 12, "二", "10:00:00")
    assert spans() == [(PRICE, "2026-03-10", "2026-03-12"), ("二", "2026-03-12", "None")]
    change(world, 12, PRICE, "23:59:59")
    assert spans() == [(PRICE, "2026-03-10", "None")]


def test_a_change_on_the_first_day_holds_from_the_beginning(world):
    change(world, 10, "一", "09:00:00")
    assert spans() == [("一", "2026-03-10", "None")]


@pytest.mark.parametrize(
    "row",
    [
        {"starts": date(2026, 3, 10), "ends": date(2026, 3, 11)},  # a second one from that day
        {"starts": date(2026, 3, 12)},  # a second one without an end
        {"starts": date(2026, 3, 12), "ends": date(2026, 3, 12)},  # none of its days
    ],
)
def test_the_database_refuses_a_history_that_cannot_be(world, row):
    meter, price = Meter.objects.get(), MeterPrice.objects.get().price
    with pytest.raises(IntegrityError), transaction.atomic():
        MeterPrice.objects.create(meter=meter, price=price, **row)
    assert spans() == [(PRICE, "2026-03-10", "None")]
