"""Transactions that come to the same rows from two sides: no answer tells of a deadlock, and nothing is lost."""

import json
from datetime import date, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from commands.models import Command
from meters.models import Account, Meter, MeterState
from protocol import transactions
from protocol.lanes import ClaimedLane, Mail
from protocol.models import OutboundMessage
from protocol.recording import record, result_of
from protocol.sending import Outcome
from readings import callbacks, intake, next_report, replacement
from readings import settlement_sql as sql
from readings.models import Decision, Reading
from readings.resettlement import resettle
from readings.review import decide
from readings.settlement import settle
from tests.lives.meetings import Pause, meet
from tests.lives.proof import prove_books
from tests.readings.elsewhere import Interrupted, done, elsewhere, until_done_or_waiting
from tests.world import COMPANY, FACTOR, PRICE, build_world, local

pytestmark = pytest.mark.django_db(transaction=True)

METER, OTHER = "188011110128", "188011110129"
OK = "0000"
SINGLE = {"priceType": "1", "cycleLength": ""}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(local("2026-03-20 10:00:00"), tick=True):
        yield


@pytest.fixture
def world():
    world = build_world(cis_url="http://127.0.0.1:9")
    world.create_price()
    return world


def about(world, code, meter_no, **fields):
    names = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": meter_no}
    return world.cis.send(code, **{**names, **fields})


def the_cis_closes(world, message):
    """Records that the CIS has answered a reading: close the valve."""
    the_cis_answers({message: "1"})


def the_cis_answers(wishes):
    """Records at once what the CIS has answered to these readings: valvecontrol by message."""
    now, outcomes = timezone.now(), []
    for message, wish in wishes.items():
        mail = Mail(message.pk, message.code, message.body, message.tries, message.created_at, message.once_only)
        claimed = ClaimedLane(message.peer_id, message.lane, arrivals=1, holder=1, lease=now, mail=(mail,), is_all=True)
        answer = {"echoCode": OK, "valvecontrol": wish, "currentprice": "2.5", "remainquantity": "-3"}
        outcomes.append(result_of(Outcome(claimed, mail, now, 1, 200, json.dumps(answer), "")))
    assert {result.state for result in record(outcomes, now=now)} == {"delivered"}


def replace(world, meter_no, new, **fields):
    body = {"newMeterType": "441", "newMeterNo": new, "oldNum": "9", "newNum": "0", "userNo": meter_no, **fields}
    return about(world, "1009", meter_no, **body)


@pytest.mark.parametrize("end", ["2001", "1002", "1009"])
def test_the_answer_of_a_cis_meets_a_message_about_the_same_meter(world, monkeypatch, end):
    """The message holds the meter's lock and goes on to its state; the answer comes to both (billing model 2)."""
    assert world.register(METER, billingModel="2", sdateTime="2026-03-10")["echoCode"] == OK
    first = timezone.now() - timedelta(hours=1)
    assert world.report(first, "5", METER, billingModel="2")["echoCode"] == OK
    message = OutboundMessage.objects.get()
    messages = {
        "2001": lambda: world.report(timezone.now(), "7", METER, billingModel="2"),
        "1002": lambda: about(world, "1002", METER, initNum="7", reason="拆表", sdateTime="2026-03-20"),
        "1009": lambda: replace(world, METER, OTHER),
    }
    # The ordinary report is judged on its short way.
    where = (next_report, "judge") if end == "2001" else (intake, "judge_again")
    pause = Pause(monkeypatch, *where)
    answer, recorded = meet(pause, messages[end], lambda: the_cis_closes(world, message))
    assert answer["echoCode"] == OK
    assert recorded is None, recorded
    message.refresh_from_db()
    assert message.state == "delivered"
    if end == "2001":
        assert MeterState.objects.get().cis_valve_control == "1"
        assert Command.objects.get().payload["valveSet"] == "1"
        assert MeterState.objects.get().index == 7
    prove_books()


def test_two_customers_whose_meters_are_swapped_at_once(world, monkeypatch):
    """Each new number is still the other's: both are refused, as one after the other, and neither waits."""
    for meter_no in (METER, OTHER):
        assert world.register(meter_no, sdateTime="2026-03-10")["echoCode"] == OK
    pause = Pause(monkeypatch, replacement, "lock_chain")
    first, second = meet(pause, lambda: replace(world, METER, OTHER), lambda: replace(world, OTHER, METER), waits=False)
    assert (first["echoMsg"], second["echoMsg"]) == (
        f"新表号 {OTHER} 已存在，表具更换失败！",
        f"新表号 {METER} 已存在，表具更换失败！",
    )
    assert set(Meter.objects.values_list("meter_no", "status")) == {(METER, "active"), (OTHER, "active")}
    prove_books()


def test_a_deadlock_at_unique_indexes_is_run_again(world, monkeypatch):
    """The old device and the new number go to another customer at once: each waits for what the other has."""
    assert world.register(METER, sdateTime="2026-03-10", deviceId="D-1")["echoCode"] == OK
    pause = Pause(monkeypatch, replacement, "end_life")
    replaced, registered = meet(
        pause,
        lambda: replace(world, METER, OTHER),
        lambda: world.register(OTHER, userNo="another", sdateTime="2026-03-10", deviceId="D-1"),
    )
    assert replaced["echoCode"] == OK
    assert registered["echoCode"] == "9999"
    assert "已存在，表具注册失败" in registered["echoMsg"]
    assert set(Meter.objects.values_list("meter_no", "status")) == {(METER, "ended"), (OTHER, "active")}
    prove_books()


def test_a_new_version_of_a_price_meets_a_settlement_that_carries_a_balance(world, monkeypatch, settings):
    """The chunk holds another meter of that price and goes on to the heir, which has the price too."""
    settings.PRICE_MAX_BACKDATE_DAYS = 60
    world.create_price("单价", **SINGLE, priceDetail={"priceLength": "1", "price1": "9"})
    assert world.register(METER, sdateTime="2026-03-10")["echoCode"] == OK
    assert world.report(local("2026-03-18 08:00:00"), "5", METER)["echoCode"] == OK
    assert replace(world, METER, OTHER)["echoCode"] == OK
    assert about(world, "1008", OTHER, newPriceCode="单价")["echoCode"] == OK
    third = "188011110130"
    assert world.register(third, priceCode="单价", sdateTime="2026-03-10")["echoCode"] == OK
    settle(through=timezone.localdate(), now=timezone.now())
    adjust(world, "2026-03-15", "2")
    assert world.report(timezone.now(), "3", third)["echoCode"] == OK

    def take_up_elsewhere():
        done(elsewhere(lambda: adjust(world, "2026-03-16", "8", code="单价")))
        begun.append(elsewhere(lambda: settle(through=timezone.localdate(), now=timezone.now())))
        assert not until_done_or_waiting(begun[0])

    begun, broken = [], []
    monkeypatch.setattr(transactions, "broken_off", broken.append)
    monkeypatch.setattr(sql, "STEPS", Interrupted(sql.STEPS, {sql.DUE: take_up_elsewhere}))
    settle(through=timezone.localdate(), now=timezone.now())
    done(begun[0])
    assert broken == []
    assert dict(Account.objects.values_list("meter__meter_no", "settled_amount")) == {METER: 18, OTHER: 0, third: 24}
    prove_books()


def test_a_new_version_of_a_price_meets_a_settlement_of_meters_that_replaced_others(world, monkeypatch, settings):
    """The chunk holds two of them, one ended; the balance of that one goes to a third, whose number lies between."""
    settings.PRICE_MAX_BACKDATE_DAYS = 60
    world.create_price("单价", **SINGLE, priceDetail={"priceLength": "1", "price1": "9"})
    second, heir, last, other = "188011110200", "188011110131", "188011110132", "188011110133"
    for number, code in ((METER, PRICE), (second, "单价")):
        assert world.register(number, sdateTime="2026-03-10", priceCode=code)["echoCode"] == OK
    assert replace(world, METER, heir)["echoCode"] == OK
    assert replace(world, heir, last, userNo=METER)["echoCode"] == OK
    assert replace(world, second, other)["echoCode"] == OK
    assert about(world, "1008", last, newPriceCode="单价")["echoCode"] == OK
    settle(through=timezone.localdate(), now=timezone.now())
    adjust(world, "2026-03-15", "2")
    assert world.report(timezone.now() + timedelta(seconds=5), "3", other, userNo=second)["echoCode"] == OK

    def take_up_elsewhere():
        done(elsewhere(lambda: adjust(world, "2026-03-16", "8", code="单价")))
        begun.append(elsewhere(lambda: settle(through=timezone.localdate(), now=timezone.now())))
        assert not until_done_or_waiting(begun[0])

    begun, broken = [], []
    monkeypatch.setattr(transactions, "broken_off", broken.append)
    # After the first chunk, that of the meters that replaced none.
    after_due = Interrupted(sql.STEPS, {sql.DUE: lambda: None})
    after_due.after[sql.DUE] = lambda: after_due.after.update({sql.DUE: take_up_elsewhere})
    monkeypatch.setattr(sql, "STEPS", after_due)
    settle(through=timezone.localdate(), now=timezone.now())
    done(begun[0])
    assert broken == []
    prove_books()


def test_answers_of_a_cis_about_many_meters_meet_a_new_version_of_their_price(world, monkeypatch, settings):
    """Both lock the heir last, although its number is lower than that of the meter registered after it."""
    settings.PRICE_MAX_BACKDATE_DAYS = 60
    third, old, meters = "188011110130", {"sdateTime": "2026-03-10", "billingModel": "2"}, {}
    assert world.register(METER, **old)["echoCode"] == OK
    assert replace(world, METER, OTHER)["echoCode"] == OK
    assert world.register(third, **old)["echoCode"] == OK
    settle(through=timezone.localdate(), now=timezone.now())
    for number, user in ((OTHER, METER), (third, third)):
        assert world.report(timezone.now(), "3", number, userNo=user, billingModel="2")["echoCode"] == OK
        meters[number] = Meter.objects.get(meter_no=number).pk
    adjust(world, "2026-03-15", "2")
    broken = []
    monkeypatch.setattr(transactions, "broken_off", broken.append)
    with transaction.atomic():
        Account.objects.select_for_update().get(pk=meters[OTHER])
        messages = OutboundMessage.objects.order_by("pk")
        answered = elsewhere(lambda: the_cis_answers(dict.fromkeys(messages, "1")))
        assert not until_done_or_waiting(answered)
        settled = elsewhere(lambda: settle(through=timezone.localdate(), now=timezone.now()))
        assert not until_done_or_waiting(settled)
    done(answered)
    done(settled)
    assert broken == []
    assert set(Command.objects.values_list("meter__meter_no", "payload__valveSet")) == {(OTHER, "1"), (third, "1")}
    prove_books()


def test_the_second_answer_about_a_meter_asks_for_its_valve_while_it_reports(world, monkeypatch):
    """The first one wants nothing of the valve: its meter is locked all the same before its state is."""
    assert world.register(METER, billingModel="2", sdateTime="2026-03-10")["echoCode"] == OK
    for hours, index in ((2, "5"), (1, "6")):
        at = timezone.now() - timedelta(hours=hours)
        assert world.report(at, index, METER, billingModel="2")["echoCode"] == OK
    first, second = OutboundMessage.objects.order_by("pk")
    broken = []
    monkeypatch.setattr(transactions, "broken_off", broken.append)
    pause = Pause(monkeypatch, callbacks, "_update_states")
    recorded, told = meet(
        pause,
        lambda: the_cis_answers({first: "2", second: "1"}),
        lambda: world.report(timezone.now(), "7", METER, billingModel="2", addGas={"2026-03-19": "5"}),
    )
    assert (recorded, told["echoCode"], broken) == (None, OK, [])
    assert told["valvecontrol"] == "1"
    assert Command.objects.get().payload["valveSet"] == "1"


@pytest.mark.parametrize("way", ["review", "resettle"])
def test_what_was_used_in_the_cycle_reaches_an_heir_that_is_just_being_made(world, monkeypatch, way):
    """A reading of February is rejected while its meter is replaced: all of it was used in March, before the swap."""
    world.create_price("按月", cycleLength="1")
    assert world.register(METER, priceCode="按月", sdateTime="2026-02-20")["echoCode"] == OK
    for moment, index in (("2026-02-27 08:00:00", "40"), ("2026-03-10 08:00:00", "60")):
        assert world.report(local(moment), index, METER)["echoCode"] == OK
    settle(through=timezone.localdate() - timedelta(days=1), now=timezone.now())
    pause = Pause(monkeypatch, replacement, "_carry_cycle")
    replaced, changed = meet(pause, lambda: replace(world, METER, OTHER, oldNum="70"), CHANGES[way])
    assert (replaced["echoCode"], changed) == (OK, None)
    assert world.report(timezone.now() + timedelta(seconds=5), "5", OTHER, userNo=METER)["echoCode"] == OK
    settle(through=timezone.localdate(), now=timezone.now())
    last = world.usage("2026-03-20", "2026-03-20", METER)[-1]
    assert (last["meterNo"], last["price"], last["useGas"]) == (OTHER, "2.4", "5")
    prove_books()


def reject_february():
    reading = Reading.objects.get(index=40)
    by = User.objects.create_user("inspector")
    review = decide(reading, decision=Decision.REJECTED, note="抄错", by=by, now=timezone.now())
    assert review.quality_after == "rejected"


def settle_february_again():
    """Someone corrects a verdict by hand and asks for another settlement."""
    Reading.objects.filter(index=40).update(decision="rejected", quality="rejected")
    meters, begins = Meter.objects.filter(meter_no=METER), date(2026, 2, 20)
    resettle(meters, begins=begins, through=timezone.localdate(), now=timezone.now(), tell=lambda change: None)


CHANGES = {"review": reject_february, "resettle": settle_february_again}


def adjust(world, begins, unit_price, code=PRICE):
    answer = world.create_price(
        code,
        **SINGLE,
        priceProperty="2",
        priceVersion="V2",
        priceBeginDate=begins,
        clearFlag="1",
        priceDetail={"priceLength": "1", "price1": unit_price},
    )
    assert answer["echoCode"] == OK
