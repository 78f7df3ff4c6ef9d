"""Sending 1007, and everything it can write."""

from datetime import timedelta

from django.utils import timezone

from pricing.models import Price, PriceTier, PriceVersion
from protocol.models import InboundMessage
from tests.world import COMPANY, FACTOR, PRICE

EXISTS = {"echoCode": "2004", "echoMsg": "价格信息已存在"}


def today(days=0):
    return timezone.localdate() + timedelta(days=days)


def adjust(world, code=PRICE, **fields):
    body = {
        "priceProperty": "2",
        "priceVersion": "V2",
        "priceBeginDate": str(today(1)),
        "cycleLength": "6",
        "priceType": "2",
        "clearFlag": "1",
        "priceDetail": {"priceLength": "2", "price1": "2", "ladder1End": "70.5", "price2": "3"},
    }
    return world.cis.send("1007", companyCode=COMPANY, factorNo=FACTOR, priceCode=code, **{**body, **fields})


def single(price="2.5", **fields):
    return {"priceType": "1", "cycleLength": "", "priceDetail": {"priceLength": "1", "price1": price}, **fields}


def stored():
    """Everything that 1007 can write."""
    return (
        list(Price.objects.order_by("pk").values()),
        list(PriceVersion.objects.order_by("pk").values()),
        list(PriceTier.objects.order_by("pk").values()),
    )


def versions(code=PRICE):
    rows = PriceVersion.objects.filter(price__code=code)
    return [(row.version, row.kind, row.effective_from, row.cycle_months, row.restarts_cycle) for row in rows]


def tiers(version="V1", code=PRICE):
    rows = PriceTier.objects.filter(version__price__code=code, version__version=version)
    return [tuple(None if number is None else str(number) for number in tier(row)) for row in rows]


def tier(row):
    return row.position, row.lower, row.upper, row.unit_price


def refused(world, answer, echo):
    """It was refused, and its serial is logged as failed."""
    assert answer == echo
    assert InboundMessage.objects.filter(code="1007", succeeded=False, answer=echo["echoMsg"]).count() == 1
