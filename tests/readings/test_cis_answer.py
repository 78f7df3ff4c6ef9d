"""The CIS's answer to a reading is kept on the meter and passed on to the head-end (R11)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from meters.models import Meter, MeterState
from protocol.delivery import deliver_due
from tests.protocol.receiver import receiving, success
from tests.world import build_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver():
    with receiving() as running:
        yield running


def report(world, minutes, **fields):
    return world.report(timezone.now() - timedelta(minutes=minutes), f"{100 - minutes}", billingModel="2", **fields)


def test_it_is_kept_shown_and_passed_on_until_the_meter_reports_that_it_is_done(receiver):
    world = build_world(cis_url=receiver.url)
    world.create_price()
    world.register(billingModel="2")
    receiver.answer = lambda request: success(request, valvecontrol="1", currentprice=2.33, remainquantity=199.301)
    first = report(world, 50)
    assert (first["valvecontrol"], first["currentprice"], first["remainquantity"]) == ("2", "1.4", "")
    deliver_due()
    state = MeterState.objects.get()
    assert (state.cis_valve_control, str(state.cis_price), str(state.cis_remaining)) == ("1", "2.3300", "199.3010")
    assert state.cis_answered_at is not None

    second = report(world, 40)
    assert (second["valvecontrol"], second["currentprice"], second["remainquantity"]) == ("1", "2.33", "199.301")
    assert report(world, 30, valveState="3")["valvecontrol"] == "2"


def test_an_answer_with_unreadable_values_keeps_the_rest(receiver):
    world = build_world(cis_url=receiver.url)
    world.create_price()
    world.register(billingModel="2")
    receiver.answer = lambda request: success(request, valvecontrol=7, currentprice="free", remainquantity="-1.5")
    report(world, 50)
    assert deliver_due() == 1
    state = MeterState.objects.get()
    assert (state.cis_valve_control, state.cis_price, str(state.cis_remaining)) == ("", None, "-1.5000")


def test_the_answer_to_a_report_is_flat_and_all_strings(receiver):
    world = build_world()
    world.create_price()
    world.register()
    answer = world.report(timezone.now() - timedelta(hours=1), "7")
    assert set(answer) == {
        "echoCode",
        "serialNo",
        "userNo",
        "deviceId",
        "factorNo",
        "meterNo",
        "valvecontrol",
        "currentprice",
        "remainquantity",
        "rdateTime",
    }
    assert all(isinstance(value, str) for value in answer.values())
    assert answer["deviceId"] == Meter.objects.get().device_id
    assert (answer["valvecontrol"], answer["currentprice"], answer["remainquantity"]) == ("2", "1.4", "0")
