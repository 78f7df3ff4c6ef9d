"""A meter whose chunk fails holds up those that replaced it: they are never charged by what it used to say."""

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from meters.models import Meter
from readings.models import DailyUsage, Decision, Reading
from readings.review import decide
from readings.settlement import SettlementIncomplete, settle
from tests.lives.proof import prove_books
from tests.readings.test_settlement_chunks import break_off
from tests.world import COMPANY, FACTOR, build_world, local

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND, THIRD = "188011110128", "188011110129", "188011110130"
OK = "0000"
# The first two m3 of a cycle cost 1 CNY, all others 10 CNY.
TIERS = {"priceLength": "2", "price1": "1", "ladder1End": "2", "price2": "10"}


@pytest.fixture
def clock():
    with time_machine.travel(local("2026-03-10 10:00:00"), tick=True) as clock:
        yield clock


@pytest.fixture
def world(settings, clock):
    """Two changes of a customer's meter, after the cycle began anew between two readings of the first one."""
    settings.SETTLEMENT_CHUNK_METERS = 1
    world = build_world()
    world.create_price(priceDetail=TIERS)
    assert world.register(FIRST, sdateTime="2026-03-10")["echoCode"] == OK
    at(clock, "2026-03-14")
    assert world.report(timezone.now(), "8", FIRST)["echoCode"] == OK
    at(clock, "2026-03-15")
    anew = {"priceProperty": "2", "priceVersion": "V2", "priceBeginDate": "2026-03-15", "clearFlag": "0"}
    assert world.create_price(priceDetail=TIERS, **anew)["echoCode"] == OK
    at(clock, "2026-03-18")
    replace(world, FIRST, SECOND, old_index="9")
    at(clock, "2026-03-19")
    replace(world, SECOND, THIRD, old_index="0")
    at(clock, "2026-03-20")
    assert world.report(timezone.now(), "2", THIRD, userNo=FIRST)["echoCode"] == OK
    settle_today()
    return world


def at(clock, day):
    clock.move_to(local(f"{day} 10:00:00"))


def replace(world, meter_no, new, *, old_index):
    body = {"newMeterType": "441", "newMeterNo": new, "oldNum": old_index, "newNum": "0", "userNo": FIRST}
    answer = world.cis.send("1009", companyCode=COMPANY, factorNo=FACTOR, meterNo=meter_no, **body)
    assert answer["echoCode"] == OK


def settle_today():
    return settle(through=timezone.localdate(), now=timezone.now())


def charged():
    """Of the meter that serves the customer now: tier and volume."""
    rows = DailyUsage.objects.filter(meter__meter_no=THIRD).order_by("day", "tier")
    return [(row.tier, str(row.volume.normalize())) for row in rows]


@pytest.mark.parametrize("broken_no", [FIRST, SECOND])
def test_a_meter_waits_for_those_that_it_replaced(world, monkeypatch, broken_no):
    assert charged() == [(1, "1"), (2, "1")]
    reading = Reading.objects.get(meter__meter_no=FIRST, index=8)
    inspector = User.objects.create_user("inspector")
    decide(reading, decision=Decision.REJECTED, note="误读", by=inspector, now=timezone.now())
    with monkeypatch.context() as context:
        break_off(context, at=Meter.objects.get(meter_no=broken_no), after="BOOK")
        with pytest.raises(SettlementIncomplete):
            settle_today()
    assert charged() == [(1, "1"), (2, "1")]
    settle_today()
    assert charged() == [(2, "2")]
    prove_books()
