"""Messages that meet on one meter, and settlement among them: real transactions on real connections.

After each meeting the books are right, everything accepted is in them once, and no answer tells of a deadlock.
"""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.conf import settings as platform_settings
from django.db import connection
from django.utils import timezone

from commands import arrears
from commands.models import Command
from meters import accounts, registration
from meters.accounts import recharge
from meters.models import Account, Meter, MeterPrice
from pricing import services
from readings import intake, life_endpoints, next_report, repricing
from readings import settlement_sql as sql
from readings.models import Reading
from readings.settlement import settle
from tests.lives.meetings import Pause, meet, until_waiting
from tests.lives.proof import prove_books
from tests.readings.elsewhere import PATIENCE_SECONDS, Interrupted, done, elsewhere, until_done_or_waiting
from tests.world import COMPANY, FACTOR, PRICE, build_world, local

pytestmark = pytest.mark.django_db(transaction=True)

METER, NEW, NEWER = "188011110128", "188011110129", "188011110130"
OK = "0000"
SINGLE = {"priceType": "1", "cycleLength": ""}
GONE = {"echoCode": "9999", "echoMsg": "表具不存在"}
USER_GONE = {"echoCode": "9999", "echoMsg": "用户不存在"}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(local("2026-03-20 10:00:00"), tick=True):
        yield


@pytest.fixture
def world(settings):
    """A meter in service since 10 March with 60 m3 on the 18th, paid 500 CNY, settled through the 19th."""
    settings.PRICE_MAX_BACKDATE_DAYS = 60
    world = build_world()
    world.create_price()
    world.create_price("单价", **SINGLE, priceDetail={"priceLength": "1", "price1": "9"})
    assert world.register(sdateTime="2026-03-10")["echoCode"] == OK
    report(world, "2026-03-18 08:00:00", "60")
    recharge(Meter.objects.get(), amount=Decimal(500), stream="first", now=timezone.now())
    settle_through_yesterday()
    return world


def settle_through_yesterday():
    return settle(through=timezone.localdate() - timedelta(days=1), now=timezone.now())


def settle_through_today():
    return settle(through=timezone.localdate(), now=timezone.now())


def report(world, moment, index, meter_no=METER, **fields):
    return world.report(local(moment), index, meter_no, **{"userNo": METER, **fields})


def about(world, code, **fields):
    return world.cis.send(code, companyCode=COMPANY, factorNo=FACTOR, **{"userNo": METER, "meterNo": METER, **fields})


def replace(world, new=NEW, old_index="70", **fields):
    body = {"newMeterType": "441", "newMeterNo": new, "oldNum": old_index, "newNum": "5", **fields}
    return about(world, "1009", **body)


def deregister(world, index="70", **fields):
    return about(world, "1002", initNum=index, reason="拆表", sdateTime="2026-03-20", **fields)


def adjust(world, begins, unit_price, version="V2", code=PRICE):
    return world.create_price(
        code,
        **SINGLE,
        priceProperty="2",
        priceVersion=version,
        priceBeginDate=begins,
        clearFlag="1",
        priceDetail={"priceLength": "1", "price1": unit_price},
    )


def interrupt(monkeypatch, **after):
    """Call in between the statements of the next chunk: DUE=call runs after the accounts are locked."""
    monkeypatch.setattr(
        sql, "STEPS", Interrupted(sql.STEPS, {getattr(sql, name): call for name, call in after.items()})
    )


def begin_while_settling(monkeypatch, after, work, *, waits):
    """Start `work` elsewhere after the statement `after` of a settlement through today; finish both."""
    begun = []

    def begin():
        begun.append(elsewhere(work))
        assert until_done_or_waiting(begun[0]) is not waits

    interrupt(monkeypatch, **{after: begin})
    settle_through_today()
    return done(begun[0])


def amounts(world, first="2026-03-10", last="2026-03-20"):
    return [
        (row["useDate"][-2:], row["meterNo"], row["price"], row["useGas"]) for row in world.usage(first, last, METER)
    ]


def account(meter_no):
    return Account.objects.get(meter__meter_no=meter_no)


# Registration


def test_sixteen_registrations_of_one_user_leave_one_meter(world, monkeypatch):
    """The first to come stands still before its commit until as many others wait for it as have a connection."""
    pause = Pause(monkeypatch, registration, "_open_books")
    together = threading.Barrier(16)

    def register(number):
        together.wait(PATIENCE_SECONDS)
        return world.register(f"20000000{number:04}", userNo="one-user", sdateTime="2026-03-19")

    pool = platform_settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    answers = []
    threads = [threading.Thread(target=in_thread, args=(register, number, answers)) for number in range(16)]
    for thread in threads:
        thread.start()
    until_waiting(min(15, pool - 2))
    pause.go_on()
    for thread in threads:
        thread.join(20)
    assert sorted(answer["echoCode"] for answer in answers) == [OK] + ["9999"] * 15
    assert {answer["echoMsg"] for answer in answers if answer["echoCode"] != OK} == {
        "用户号 one-user 已存在，表具注册失败！"
    }
    assert Meter.objects.filter(user_no="one-user").count() == 1
    prove_books()


def in_thread(work, number, answers):
    try:
        answers.append(work(number))
    finally:
        connection.close()


def test_a_number_is_free_for_who_waited_for_its_deregistration(world, monkeypatch):
    pause = Pause(monkeypatch, life_endpoints, "deregister_meter")
    ended, registered = meet(
        pause, lambda: deregister(world), lambda: world.register(sdateTime="2026-03-20", initNum="70")
    )
    assert (ended["echoCode"], registered["echoCode"]) == (OK, OK)
    assert list(Meter.objects.order_by("pk").values_list("status", flat=True)) == ["ended", "active"]
    settle_through_today()
    assert [account.balance for account in Account.objects.order_by("pk")] == [Decimal(382), 0]
    prove_books()


# A reading, a recharge or a price change while the meter ends


@pytest.mark.parametrize("end", [replace, deregister])
def test_a_reading_that_waits_for_the_end_of_its_meter_is_refused(world, monkeypatch, end):
    pause = Pause(monkeypatch, life_endpoints, f"{end.__name__}_meter")
    ended, told = meet(pause, lambda: end(world), lambda: report(world, "2026-03-20 09:00:00", "65"))
    assert (ended["echoCode"], told) == (OK, GONE if end is replace else USER_GONE)
    assert not Reading.objects.filter(index=65).exists()
    settle_through_today()
    assert amounts(world) == EXPECTED_TO_70 if end is replace else account(METER).settled_volume == 70
    prove_books()


# 60 m3 on the 18th and 10 on the day of the swap; the tiers of PRICE end at 50 and 300.
EXPECTED_TO_70 = [("18", METER, "1.4", "50"), ("18", METER, "2.4", "10"), ("20", METER, "2.4", "10")]


@pytest.mark.parametrize("end", [replace, deregister])
def test_the_end_of_a_meter_waits_for_its_reading(world, monkeypatch, end):
    pause = Pause(monkeypatch, intake, "judge_again")
    told, ended = meet(pause, lambda: report(world, "2026-03-19 09:00:00", "65"), lambda: end(world))
    assert (told["echoCode"], ended["echoCode"]) == (OK, OK)
    settle_through_today()
    assert account(METER).settled_volume == 70
    prove_books()


@pytest.mark.parametrize("end", [replace, deregister])
def test_the_end_of_a_meter_is_refused_below_the_reading_it_waited_for(world, monkeypatch, end):
    pause = Pause(monkeypatch, next_report, "judge")
    told, ended = meet(pause, lambda: report(world, "2026-03-20 09:00:00", "70.0001"), lambda: end(world))
    assert (told["echoCode"], ended["echoCode"]) == (OK, "9999")
    assert "不能小于最近一次有效读数" in ended["echoMsg"]
    assert Meter.objects.get().status == "active"
    settle_through_today()
    assert account(METER).settled_volume == Decimal("70.0001")
    prove_books()


@pytest.mark.parametrize("end", [replace, deregister])
def test_a_recharge_that_waits_for_the_end_of_its_meter_is_refused(world, monkeypatch, end):
    pause = Pause(monkeypatch, life_endpoints, f"{end.__name__}_meter")
    ended, paid = meet(pause, lambda: end(world), lambda: pay(world))
    assert (ended["echoCode"], paid) == (OK, GONE)
    settle_through_today()
    assert account(NEW if end is replace else METER).balance == Decimal(382)
    prove_books()


@pytest.mark.parametrize("end", [replace, deregister])
def test_the_end_of_a_meter_waits_for_its_recharge(world, monkeypatch, end):
    pause = Pause(monkeypatch, accounts, "_add_recharge")
    paid, ended = meet(pause, lambda: pay(world), lambda: end(world))
    assert (paid["echoCode"], ended["echoCode"]) == (OK, OK)
    assert account(NEW if end is replace else METER).balance == Decimal(1382)
    if end is replace:
        detail = about(world, "1014", meterNo=NEW)
        assert (detail["echoMsg"]["sumRechargeAomunt"], detail["echoMsg"]["rechargeCount"]) == ("1500", "2")
    prove_books()


def pay(world, **fields):
    detail = {"rechargeAmount": "1000", "rechargeStream": "second"}
    context = {"total": "1", "data": detail}
    return about(world, "1004", paramNo="05", paramContext=context, sdateTime="2026-03-20", **fields)


@pytest.mark.parametrize("end", [replace, deregister])
def test_a_price_change_that_waits_for_the_end_of_its_meter_is_refused(world, monkeypatch, end):
    pause = Pause(monkeypatch, life_endpoints, f"{end.__name__}_meter")
    ended, changed = meet(pause, lambda: end(world), lambda: about(world, "1008", newPriceCode="单价"))
    assert (ended["echoCode"], changed) == (OK, GONE)
    assert set(MeterPrice.objects.values_list("price__code", flat=True)) == {PRICE}
    settle_through_today()
    prove_books()


def test_a_replacement_waits_for_the_price_change_and_takes_the_new_price_over(world, monkeypatch):
    pause = Pause(monkeypatch, repricing, "assign_price")
    changed, ended = meet(pause, lambda: about(world, "1008", newPriceCode="单价"), lambda: replace(world))
    assert (changed["echoCode"], ended["echoCode"]) == (OK, OK)
    assert about(world, "1014", meterNo=NEW)["echoMsg"]["priceCode"] == "单价"
    assert amounts(world)[-1] == ("20", METER, "9", "10")
    prove_books()


# Two ends at once


@pytest.mark.parametrize("second_new", [NEW, NEWER])
def test_of_two_replacements_one_is_refused(world, monkeypatch, second_new):
    pause = Pause(monkeypatch, life_endpoints, "replace_meter")
    first, second = meet(pause, lambda: replace(world), lambda: replace(world, second_new, old_index="71"))
    assert (first["echoCode"], second["echoCode"]) == (OK, "9999")
    assert second == GONE
    assert list(Meter.objects.order_by("pk").values_list("meter_no", "status")) == [(METER, "ended"), (NEW, "active")]
    assert account(NEW).balance == Decimal(382)
    settle_through_today()
    prove_books()


@pytest.mark.parametrize(("first", "second"), [(replace, deregister), (deregister, replace), (deregister, deregister)])
def test_a_meter_ends_once(world, monkeypatch, first, second):
    pause = Pause(monkeypatch, life_endpoints, f"{first.__name__}_meter")
    ended, refused = meet(pause, lambda: first(world), lambda: second(world, **{index_of(second): "75"}))
    assert (ended["echoCode"], refused) == (OK, GONE)
    assert Meter.objects.get(meter_no=METER).closing_index == 70
    assert Meter.objects.count() == (2 if first is replace else 1)
    settle_through_today()
    prove_books()


def index_of(end):
    return "old_index" if end is replace else "index"


def test_two_replacements_by_one_new_meter_leave_one(world, monkeypatch):
    """Two customers, the same new number."""
    other = "188011110140"
    assert world.register(other, sdateTime="2026-03-10")["echoCode"] == OK
    pause = Pause(monkeypatch, life_endpoints, "replace_meter")
    first, second = meet(
        pause, lambda: replace(world), lambda: replace(world, userNo=other, meterNo=other, old_index="1")
    )
    assert first["echoCode"] == OK
    assert second == {"echoCode": "9999", "echoMsg": f"新表号 {NEW} 已存在，表具更换失败！"}
    assert Meter.objects.get(meter_no=other).status == "active"
    settle_through_today()
    prove_books()


# Settlement among them


def test_a_price_change_waits_for_the_settlement_and_makes_its_day_due_again(world, monkeypatch):
    report(world, "2026-03-20 09:00:00", "65")
    answer = begin_while_settling(monkeypatch, "REOPEN", lambda: about(world, "1008", newPriceCode="单价"), waits=True)
    assert answer["echoCode"] == OK
    assert amounts(world)[-1] == ("20", METER, "2.4", "5")
    settle_through_today()
    assert amounts(world)[-1] == ("20", METER, "9", "5")
    prove_books()


def test_settlement_waits_for_a_price_change(world, monkeypatch):
    report(world, "2026-03-20 09:00:00", "65")
    pause = Pause(monkeypatch, repricing, "assign_price")
    changed, settled = meet(pause, lambda: about(world, "1008", newPriceCode="单价"), settle_through_today)
    assert (changed["echoCode"], settled.meters) == (OK, 1)
    assert amounts(world)[-1] == ("20", METER, "9", "5")
    prove_books()


@pytest.mark.parametrize("step", ["DUE", "REOPEN", "DAYS", "BOOK"])
def test_a_retroactive_price_that_comes_during_a_settlement_counts_in_the_next(world, monkeypatch, step):
    report(world, "2026-03-20 09:00:00", "65")
    answer = begin_while_settling(monkeypatch, step, lambda: adjust(world, "2026-03-15", "3"), waits=False)
    assert answer["echoCode"] == OK
    settle_through_today()
    assert amounts(world) == [("18", METER, "3", "60"), ("20", METER, "3", "5")]
    assert account(METER).balance == Decimal(305)
    prove_books()


def test_a_retroactive_price_that_is_committed_after_a_settlement_counts_in_the_next(world, monkeypatch):
    report(world, "2026-03-20 09:00:00", "65")
    pause = Pause(monkeypatch, services, "_add_version")
    answer, settled = meet(pause, lambda: adjust(world, "2026-03-15", "3"), settle_through_today, waits=False)
    assert (answer["echoCode"], settled.meters) == (OK, 1)
    assert amounts(world)[-1] == ("20", METER, "2.4", "5")
    settle_through_today()
    assert amounts(world) == [("18", METER, "3", "60"), ("20", METER, "3", "5")]
    prove_books()


@pytest.mark.parametrize("end", [replace, deregister])
@pytest.mark.parametrize("step", ["DUE", "DAYS", "BOOK", "CARRY"])
def test_the_end_of_a_meter_waits_for_the_settlement(world, monkeypatch, end, step):
    report(world, "2026-03-20 09:00:00", "65")
    ended = begin_while_settling(monkeypatch, step, lambda: end(world), waits=True)
    assert ended["echoCode"] == OK
    settle_through_today()
    assert account(METER).settled_volume == 70
    assert account(NEW if end is replace else METER).balance == Decimal(382)
    prove_books()


@pytest.mark.parametrize("end", [replace, deregister])
def test_settlement_waits_for_the_end_of_a_meter(world, monkeypatch, end):
    report(world, "2026-03-20 09:00:00", "65")
    pause = Pause(monkeypatch, life_endpoints, f"{end.__name__}_meter")
    ended, _ = meet(pause, lambda: end(world), settle_through_today)
    assert ended["echoCode"] == OK
    settle_through_today()
    assert account(NEW if end is replace else METER).balance == Decimal(382)
    prove_books()


@pytest.mark.parametrize("end", [replace, deregister])
def test_a_correction_of_a_replaced_meter_reaches_the_last_of_its_chain(world, monkeypatch, end):
    """The first of the chain is settled again, and it alone, while the second is ending."""
    assert replace(world)["echoCode"] == OK
    assert about(world, "1008", meterNo=NEW, newPriceCode="单价")["echoCode"] == OK
    settle_through_today()
    adjust(world, "2026-03-15", "3")
    pause = Pause(monkeypatch, life_endpoints, f"{end.__name__}_meter")
    fields = {"new": NEWER} if end is replace else {}
    ended, _ = meet(pause, lambda: end(world, meterNo=NEW, **{index_of(end): "5"}, **fields), settle_through_today)
    assert ended["echoCode"] == OK
    settle_through_today()
    # 70 m3 at 3.
    assert account(NEWER if end is replace else NEW).balance == Decimal(290)
    prove_books()


def test_who_pays_while_valves_are_being_closed_keeps_gas(world, monkeypatch):
    """The settlement has found the meter in arrears; before it asks for the valve, the customer pays."""
    report(world, "2026-03-20 09:00:00", "300")
    ask_valve, paid = arrears.ask_valve, []

    def pay_first(meter, *args, **kwargs):
        paying = elsewhere(lambda: pay(world))
        paid.append(paying)
        until_done_or_waiting(paying)
        return ask_valve(meter, *args, **kwargs)

    monkeypatch.setattr(arrears, "ask_valve", pay_first)
    settle_through_today()
    assert done(paid[0])["echoCode"] == OK
    assert account(METER).in_arrears is False
    left = Command.objects.filter(kind="03", state__in=["queued", "sent", "succeeded"]).order_by("pk").last()
    assert left is None or left.payload["valveSet"] == "0"


def test_a_recharge_meets_the_correction_of_a_replaced_meter(world, monkeypatch, settings):
    settings.SETTLEMENT_CHUNK_METERS = 1
    assert replace(world)["echoCode"] == OK
    settle_through_today()
    adjust(world, "2026-03-15", "3")
    paid = begin_while_settling(monkeypatch, "CARRY", lambda: pay(world, meterNo=NEW), waits=True)
    assert paid["echoCode"] == OK
    settle_through_today()
    assert account(NEW).balance == Decimal(1290)
    prove_books()
