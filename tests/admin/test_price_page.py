"""The page of a price: its tiers in effect, drawn and listed, and what a volume costs."""

import json

import pytest
from django.urls import reverse

from pricing.models import Price
from tests.admin.browsing import sign_in
from tests.readings.books import add_version, make_meter, make_price, read, settle_through


@pytest.fixture
def price(world):
    make_price(world)
    return Price.objects.get()


@pytest.fixture
def client(client, db):
    return sign_in(client)


def shown(client, price, **asked):
    query = {f"calc-{name}": value for name, value in asked.items()}
    response = client.get(reverse("admin:pricing_price_change", args=[price.pk]), query)
    assert response.status_code == 200
    return response.context


def parts(context):
    return context["quote_rows"]


def test_the_tiers_are_steps_over_the_volume_of_a_cycle(client, price):
    context = shown(client, price)
    tiers = [(tier.position, tier.lower, tier.upper) for tier in context["tiers"]]
    assert tiers == [(1, 0, 50), (2, 50, 300), (3, 300, None)]
    (dataset,) = json.loads(context["tiers_chart"])["datasets"]
    assert dataset["stepped"] is True
    assert [(point["x"], point["y"]) for point in dataset["data"]] == [(0, 1.4), (50, 2.4), (300, 3.4), (450, 3.4)]
    assert context["quote"] is None


def test_a_volume_after_what_is_used_is_split_by_tier(client, price):
    context = shown(client, price, volume="260.5", day="2025-06-01", used="45")
    assert parts(context) == [
        ("1", "5", "1.4", "7"),
        ("2", "250", "2.4", "600"),
        ("3", "5.5", "3.4", "18.7"),
    ]
    assert context["quote_amount"] == "625.7"
    assert str(context["quote"].cycle_start) == "2025-01-01"


def test_a_meter_brings_what_it_has_used_of_the_cycle_before_that_day(client, price, world):
    meter = make_meter(world, used_before=10)
    read(meter, "2025-03-02 12:00:00", 30)
    read(meter, "2025-03-03 12:00:00", 100)
    settle_through("2025-03-03")
    context = shown(client, price, volume="20", day="2025-03-03", meter=meter.user_no)
    assert context["quote"].used == 40
    assert parts(context) == [("1", "10", "1.4", "14"), ("2", "10", "2.4", "24")]


def test_a_day_has_the_version_of_that_day(client, price, world):
    add_version(world, "2025-07-01", (None, "9"), restarts=True)
    before = shown(client, price, volume="10", day="2025-06-30")
    after = shown(client, price, volume="10", day="2025-07-01", used="0")
    assert (before["shown_version"].version, before["quote_amount"]) == ("V1", "14")
    assert (after["shown_version"].version, after["quote_amount"]) == ("from 2025-07-01", "90")
    assert str(after["quote"].cycle_start) == "2025-07-01"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"volume": "-1", "day": "2025-06-01"}, "volume"),
        ({"volume": "1.00001", "day": "2025-06-01"}, "volume"),
        ({"volume": "1", "day": "gestern"}, "day"),
        ({"volume": "1", "day": "2025-06-01", "meter": "999999999999"}, "meter"),
        ({"volume": "1", "day": "2025-06-01", "used": "-1"}, "used"),
    ],
)
def test_what_cannot_be_calculated_is_said_beside_its_field(client, price, asked, field):
    context = shown(client, price, **asked)
    assert context["quote"] is None
    assert list(context["calculator"].errors) == [field]
