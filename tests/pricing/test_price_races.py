"""1007 from many connections at once: one creates, one adds, all others are told 2004 (R4, R9)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from pricing.models import Price, PriceTier, PriceVersion
from tests.pricing.price_messages import EXISTS, adjust, single, today
from tests.world import PRICE, build_world

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS = 12


def at_once(send):
    def call(number):
        try:
            return send(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLERS) as threads:
        answers = list(threads.map(call, range(CALLERS)))
    refused = [answer for answer in answers if answer["echoCode"] != "0000"]
    assert refused == [EXISTS] * (CALLERS - 1)


def test_one_price_is_created():
    world = build_world()
    at_once(lambda number: world.create_price(**single(price=str(number + 1))))
    assert (Price.objects.count(), PriceVersion.objects.count(), PriceTier.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize("same", ["version", "day"])
def test_one_version_is_added(same):
    world = build_world()
    assert world.create_price(PRICE, **single())["echoCode"] == "0000"

    def send(number):
        version, days = ("V2", number + 1) if same == "version" else (f"V{number + 2}", 1)
        return adjust(world, priceVersion=version, priceBeginDate=str(today(days)), **single())

    at_once(send)
    assert (PriceVersion.objects.count(), PriceTier.objects.count()) == (2, 2)
