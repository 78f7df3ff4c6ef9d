"""Residential tariffs of the usual make, from 1007 to 1015: what a household pays on both sides of every edge."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command

from tests.world import COMPANY, FACTOR, local

# Three tiers a year, and a tariff with an allowance for heating: its ends and prices have all four decimals.
YEARLY = {
    "priceLength": "3",
    "price1": "2.61",
    "ladder1End": "310",
    "price2": "2.83",
    "ladder2End": "520",
    "price3": "4.23",
}
HEATING = {
    "priceLength": "4",
    "price1": "2.4835",
    "ladder1End": "450.5",
    "price2": "2.61",
    "ladder2End": "1620.0005",
    "price3": "3.0125",
    "ladder3End": "2200.25",
    "price4": "4.2301",
}

# m3 used before in the year, m3 used today, and the parts of today: CNY/m3, m3, CNY.
YEARLY_DAYS = [
    ("0", "0", [("2.61", "0", "0")]),
    ("0", "0.0001", [("2.61", "0.0001", "0.0003")]),
    ("0", "0.001", [("2.61", "0.001", "0.0026")]),
    ("0", "1", [("2.61", "1", "2.61")]),
    ("0", "309.999", [("2.61", "309.999", "809.0974")]),
    ("0", "309.9999", [("2.61", "309.9999", "809.0997")]),
    ("0", "310", [("2.61", "310", "809.1")]),
    ("0", "310.0001", [("2.61", "310", "809.1"), ("2.83", "0.0001", "0.0003")]),
    ("0", "310.001", [("2.61", "310", "809.1"), ("2.83", "0.001", "0.0028")]),
    ("0", "519.999", [("2.61", "310", "809.1"), ("2.83", "209.999", "594.2972")]),
    ("0", "520", [("2.61", "310", "809.1"), ("2.83", "210", "594.3")]),
    ("0", "520.001", [("2.61", "310", "809.1"), ("2.83", "210", "594.3"), ("4.23", "0.001", "0.0042")]),
    ("0", "1000", [("2.61", "310", "809.1"), ("2.83", "210", "594.3"), ("4.23", "480", "2030.4")]),
    ("309.999", "0", [("2.61", "0", "0")]),
    ("309.999", "0.001", [("2.61", "0.001", "0.0026")]),
    ("309.999", "0.0011", [("2.61", "0.001", "0.0026"), ("2.83", "0.0001", "0.0003")]),
    ("309.999", "0.002", [("2.61", "0.001", "0.0026"), ("2.83", "0.001", "0.0028")]),
    ("309.9999", "210.0002", [("2.61", "0.0001", "0.0003"), ("2.83", "210", "594.3"), ("4.23", "0.0001", "0.0004")]),
    ("310", "0", [("2.61", "0", "0")]),
    ("310", "0.001", [("2.83", "0.001", "0.0028")]),
    ("310.0001", "0", [("2.83", "0", "0")]),
    ("310", "210", [("2.83", "210", "594.3")]),
    ("310", "210.0001", [("2.83", "210", "594.3"), ("4.23", "0.0001", "0.0004")]),
    ("519.9999", "0.0001", [("2.83", "0.0001", "0.0003")]),
    ("520", "0", [("2.83", "0", "0")]),
    ("520", "0.001", [("4.23", "0.001", "0.0042")]),
    ("520.0001", "0", [("4.23", "0", "0")]),
    ("9999.9999", "12.34", [("4.23", "12.34", "52.1982")]),
    # Half a ten-thousandth is rounded up, whether the digit before it is odd or even.
    ("0", "0.005", [("2.61", "0.005", "0.0131")]),
    ("0", "0.015", [("2.61", "0.015", "0.0392")]),
    ("310", "0.015", [("2.83", "0.015", "0.0425")]),
    ("310", "0.025", [("2.83", "0.025", "0.0708")]),
]
HEATING_DAYS = [
    ("0", "450.4999", [("2.4835", "450.4999", "1118.8165")]),
    ("0", "450.5", [("2.4835", "450.5", "1118.8168")]),
    ("0", "450.501", [("2.4835", "450.5", "1118.8168"), ("2.61", "0.001", "0.0026")]),
    ("450.4999", "0.0002", [("2.4835", "0.0001", "0.0002"), ("2.61", "0.0001", "0.0003")]),
    ("450.5", "1169.5005", [("2.61", "1169.5005", "3052.3963")]),
    ("1620.0004", "0.0002", [("2.61", "0.0001", "0.0003"), ("3.0125", "0.0001", "0.0003")]),
    ("1620", "0.001", [("2.61", "0.0005", "0.0013"), ("3.0125", "0.0005", "0.0015")]),
    ("1620.0005", "0", [("2.61", "0", "0")]),
    ("1620.0005", "580.2495", [("3.0125", "580.2495", "1748.0016")]),
    ("1620.0005", "580.2496", [("3.0125", "580.2495", "1748.0016"), ("4.2301", "0.0001", "0.0004")]),
    ("2200.2499", "0.0011", [("3.0125", "0.0001", "0.0003"), ("4.2301", "0.001", "0.0042")]),
    (
        "0",
        "2300",
        [
            ("2.4835", "450.5", "1118.8168"),
            ("2.61", "1169.5005", "3052.3963"),
            ("3.0125", "580.2495", "1748.0016"),
            ("4.2301", "99.75", "421.9525"),
        ],
    ),
]


def create_price(world, detail):
    assert world.create_price("居民", priceDetail=detail)["echoCode"] == "0000"


def register(world, meter_no, **fields):
    answer = world.register(meter_no, priceCode="居民", payModel="2", sdateTime="2025-11-20", **fields)
    assert answer["echoCode"] == "0000", answer


def report(world, meter_no, day, index):
    answer = world.report(local(f"{day} 20:00:00"), str(index), meter_no)
    assert answer["echoCode"] == "0000", answer


def settle(day):
    call_command("settle", through=date.fromisoformat(str(day)))


def days_of(world, meter_no, first, last):
    return [
        (row["useDate"], row["price"], row["useGas"], row["useAmount"]) for row in world.usage(first, last, meter_no)
    ]


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(local("2026-12-31 23:00:00"), tick=False):
        yield


@pytest.mark.parametrize(("detail", "table"), [(YEARLY, YEARLY_DAYS), (HEATING, HEATING_DAYS)])
def test_every_edge_of_a_tariff(world, detail, table):
    """A meter for each line; its initCycle is what the household had used before."""
    create_price(world, detail)
    meters = {f"{number:012}": line for number, line in enumerate(table, start=1)}
    for meter_no, (used, volume, _) in meters.items():
        register(world, meter_no, initCycle=used, initNum="7.0007")
        report(world, meter_no, "2025-11-20", Decimal("7.0007") + Decimal(volume))
    settle("2025-11-20")
    paid = {no: [row[1:] for row in days_of(world, no, "2025-11-20", "2025-11-20")] for no in meters}
    assert paid == {no: parts for no, (_, _, parts) in meters.items()}


def test_the_tiers_start_over_with_the_year(world):
    create_price(world, YEARLY)
    register(world, "000000000001", initCycle="500")
    for day, index in (("2025-12-30", 19), ("2025-12-31", 21), ("2026-01-01", 331), ("2026-01-02", 331.5)):
        report(world, "000000000001", day, index)
    settle("2026-01-02")
    assert days_of(world, "000000000001", "2025-11-20", "2026-01-02") == [
        ("2025-12-30", "2.83", "19", "53.77"),
        ("2025-12-31", "2.83", "1", "2.83"),
        ("2025-12-31", "4.23", "1", "4.23"),
        ("2026-01-01", "2.61", "310", "809.1"),
        ("2026-01-02", "2.83", "0.5", "1.415"),
    ]


def test_what_was_used_over_the_turn_of_the_year_counts_on_the_day_of_the_next_reading(world):
    create_price(world, YEARLY)
    register(world, "000000000001", initCycle="519")
    report(world, "000000000001", "2025-12-29", 1)
    report(world, "000000000001", "2026-01-03", 12)
    settle("2026-01-03")
    assert days_of(world, "000000000001", "2025-11-20", "2026-01-03") == [
        ("2025-12-29", "2.83", "1", "2.83"),
        ("2026-01-03", "2.61", "11", "28.71"),
    ]


def test_a_year_day_by_day_costs_what_the_year_costs(world):
    """1.5 m3 a day: 310 at 2.61, 210 at 2.83 and 27.5 at 4.23, to the fen and beyond."""
    create_price(world, YEARLY)
    register(world, "000000000001")
    first = date(2026, 1, 1)
    days = [first + timedelta(days) for days in range(365)]
    backfill = {str(day): str(Decimal("1.5") * number) for number, day in enumerate(days[:-1], start=1)}
    answer = world.report(local("2026-12-31 22:00:00"), "547.5", "000000000001", addGas=backfill)
    assert answer["echoCode"] == "0000", answer
    settle("2026-12-31")
    rows = days_of(world, "000000000001", "2026-01-01", "2026-12-31")
    assert len({row[0] for row in rows}) == 365
    by_price = {price: sum(Decimal(row[2]) for row in rows if row[1] == price) for price in ("2.61", "2.83", "4.23")}
    assert by_price == {"2.61": 310, "2.83": 210, "4.23": Decimal("27.5")}
    assert sum(Decimal(row[3]) for row in rows) == Decimal("1519.725")
    detail = world.cis.send(
        "1014", companyCode=COMPANY, factorNo=FACTOR, userNo="000000000001", meterNo="000000000001"
    )["echoMsg"]
    figures = {name: detail[name] for name in ("sumUseGas", "sumUseMoney", "balance", "price")}
    assert figures == {"sumUseGas": "547.5", "sumUseMoney": "1519.725", "balance": "-1519.725", "price": "4.23"}


def test_a_year_settled_in_one_day_costs_the_same(world):
    create_price(world, YEARLY)
    register(world, "000000000001")
    report(world, "000000000001", "2026-01-01", 0)
    report(world, "000000000001", "2026-12-31", "547.5")
    settle("2026-12-31")
    assert days_of(world, "000000000001", "2026-01-02", "2026-12-31") == [
        ("2026-12-31", "2.61", "310", "809.1"),
        ("2026-12-31", "2.83", "210", "594.3"),
        ("2026-12-31", "4.23", "27.5", "116.325"),
    ]


def test_a_household_moves_to_the_heating_tariff_in_the_middle_of_the_year(world):
    """What it has used in the year goes on counting, now in the wider tiers."""
    create_price(world, YEARLY)
    assert world.create_price("采暖", priceDetail=HEATING)["echoCode"] == "0000"
    with time_machine.travel(local("2025-11-20 09:00:00"), tick=False):
        register(world, "000000000001", initCycle="400")
    with time_machine.travel(local("2025-11-25 09:00:00"), tick=False):
        report(world, "000000000001", "2025-11-24", 10)
        number = {"userNo": "000000000001", "meterNo": "000000000001"}
        answer = world.cis.send("1008", companyCode=COMPANY, factorNo=FACTOR, newPriceCode="采暖", **number)
        assert answer["echoCode"] == "0000"
    report(world, "000000000001", "2025-11-25", 60)
    settle("2025-11-25")
    assert days_of(world, "000000000001", "2025-11-20", "2025-11-25") == [
        ("2025-11-24", "2.83", "10", "28.3"),
        ("2025-11-25", "2.4835", "40.5", "100.5818"),
        ("2025-11-25", "2.61", "9.5", "24.795"),
    ]
