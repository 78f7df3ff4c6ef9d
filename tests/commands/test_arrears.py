"""Billing model 3, prepaid: settlement closes what is in arrears, a recharge opens what was closed for it (R11)."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from commands.models import Command
from meters.models import Account
from protocol.delivery import deliver_due
from tests.commands.conftest import make_desk
from tests.protocol.receiver import receiving, success
from tests.world import build_world


def report(desk, index, minutes=60, valve="2"):
    moment = timezone.now() - timedelta(minutes=minutes)
    return desk.world.report(moment, index, valveState=valve)["valvecontrol"]


def settle():
    call_command("settle", through=timezone.localdate())


def commands():
    rows = Command.objects.order_by("pk").values_list("payload__valveSet", "origin", "state")
    return [tuple(row) for row in rows]


@pytest.fixture
def poor(desk):
    report(desk, "10")
    settle()
    return desk


def test_arrears_make_one_close_command_of_the_ordinary_kind(poor):
    assert Account.objects.get().in_arrears
    assert commands() == [("1", "arrears", "queued")]
    settle()
    assert commands() == [("1", "arrears", "queued")]
    assert report(poor, "11", 50) == "3"
    assert report(poor, "11.5", 40, valve="3") == "2"
    assert commands() == [("1", "arrears", "succeeded")]
    settle()
    assert commands() == [("1", "arrears", "succeeded")]


def test_a_balance_above_zero_closes_nothing(desk):
    desk.recharge("100")
    report(desk, "10")
    settle()
    assert [row for row in commands() if row[0] == "1"] == []


def test_postpaid_closes_nothing(priced_world):
    desk = make_desk(priced_world, payModel="2")
    report(desk, "10")
    settle()
    assert commands() == []


def test_a_recharge_before_the_closing_has_left_takes_it_back(poor):
    poor.recharge("100")
    assert commands()[0] == ("1", "arrears", "cancelled")
    assert [row[0] for row in commands()].count("0") == 0


def test_a_recharge_opens_what_was_closed_for_arrears(poor):
    report(poor, "11", 50)
    report(poor, "11.5", 40, valve="3")
    poor.recharge("5", "too-little")
    assert [row for row in commands() if row[0] == "0"] == []
    poor.recharge("100", "enough")
    assert commands()[-1] == ("0", "arrears", "queued")
    assert report(poor, "11.6", 30, valve="3") == "0"


def test_a_recharge_leaves_closed_what_the_cis_closed(poor):
    report(poor, "11", 50)
    report(poor, "11.5", 40, valve="3")
    poor.valve("0", serialNo="open")
    report(poor, "11.6", 35, valve="3")
    report(poor, "11.7", 30, valve="2")
    poor.valve("1", serialNo="close")
    report(poor, "11.8", 25, valve="2")
    report(poor, "11.9", 20, valve="3")
    poor.recharge("100")
    assert commands()[-2:] == [("1", "cis", "succeeded"), (None, "cis", "succeeded")]


def test_a_closing_that_failed_is_tried_again_the_next_day(poor):
    Command.objects.update(state="failed")
    settle()
    assert commands() == [("1", "arrears", "failed")]
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        settle()
    assert commands() == [("1", "arrears", "failed"), ("1", "arrears", "queued")]


def test_a_second_time_in_arrears_closes_again(poor):
    report(poor, "11", 50)
    report(poor, "11.5", 40, valve="3")
    poor.recharge("5000", "enough")
    report(poor, "11.6", 30, valve="3")
    assert report(poor, "11.7", 20, valve="2") == "2"
    assert commands()[-1] == ("0", "arrears", "succeeded")
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        report(poor, "9000", 10)
        settle()
        assert Account.objects.get().in_arrears
        assert commands()[-1] == ("1", "arrears", "queued")


def test_what_a_cis_opens_today_stays_open_until_tomorrow(poor):
    report(poor, "11", 50)
    report(poor, "11.5", 40, valve="3")
    poor.valve("0")
    settle()
    assert [row[1] for row in commands()] == ["arrears", "cis"]
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        settle()
    assert [row[1] for row in commands()] == ["arrears", "cis", "arrears"]


@pytest.mark.django_db(transaction=True)
def test_billing_model_2_follows_the_answer_of_its_cis():
    with receiving() as receiver:
        world = build_world(cis_url=receiver.url)
        world.create_price()
        assert world.register(billingModel="2")["echoCode"] == "0000"
        receiver.answer = lambda request: success(request, valvecontrol="3")

        def tell(index, minutes, valve="2"):
            moment = timezone.now() - timedelta(minutes=minutes)
            answer = world.report(moment, index, billingModel="2", valveState=valve)
            deliver_due()
            return answer["valvecontrol"]

        assert tell("1", 50) == "2"
        assert commands() == [("1", "answer", "queued")]
        assert tell("2", 40) == "3"
        assert commands() == [("1", "answer", "sent")]
        assert tell("3", 30, valve="3") == "2"
        assert commands() == [("1", "answer", "succeeded")]
        receiver.answer = lambda request: success(request, valvecontrol="0", remainquantity="5")
        tell("4", 20, valve="3")
        assert commands()[1:] == [("0", "answer", "queued")]
    assert Account.objects.get().credited == Decimal(0)
