"""1009: what a new meter takes over, to the last fen, and what is refused (R7, R11)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone

from commands.models import Command
from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter, MeterPrice, MeterState
from protocol.models import OutboundMessage
from protocol.parties import create_manufacturer
from readings.models import DailyUsage, Reading
from tests.lives.proof import prove_books
from tests.world import COMPANY, FACTOR, PRICE, build_world, local

METER, NEW, NEWER = "188011110128", "188011110129", "188011110130"
KEPT = (Meter, MeterState, MeterPrice, Account, AccountEntry, Reading, DailyUsage, Command, OutboundMessage)


def about(world, code, **fields):
    return world.cis.send(
        code, **{"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER, **fields}
    )


def replace(world, old="20", new="5", **fields):
    return about(world, "1009", **{"newMeterType": "502", "newMeterNo": NEW, "oldNum": old, "newNum": new, **fields})


def day(days_ago):
    return str(timezone.localdate() - timedelta(days=days_ago))


def snapshot():
    return [list(model.objects.order_by("pk").values()) for model in KEPT]


def register(world, meter_no=METER, **fields):
    answer = world.register(meter_no, **{"userNo": METER, "sdateTime": day(10), **fields})
    assert answer["echoCode"] == "0000", answer


def report(world, moment, index, meter_no=METER):
    answer = world.report(moment, index, meter_no, userNo=METER)
    assert answer["echoCode"] == "0000", answer


@pytest.fixture
def world(priced_world):
    priced_world.cis_peer.url = "http://127.0.0.1:9"
    priced_world.cis_peer.save()
    return priced_world


def test_a_manufacturer_that_has_other_meters_cannot_replace_this_one(world):
    create_manufacturer(factor_no="0099", name="另一表厂")
    register(world)
    before = snapshot()
    assert replace(world, factorNo="0099") == {"echoCode": "9999", "echoMsg": "用户不存在"}
    assert snapshot() == before


def test_a_number_in_service_elsewhere_is_refused_and_nothing_changes(world):
    """The other meter belongs to another customer; waiting commands and alarms are still there."""
    register(world)
    register(world, NEW, userNo="another")
    about(world, "1004", paramNo="03", paramContext={"total": "1", "data": {"valveSet": "1"}}, sdateTime=day(0))
    before = snapshot()
    assert replace(world) == {"echoCode": "9999", "echoMsg": f"新表号 {NEW} 已存在，表具更换失败！"}
    assert snapshot() == before
    assert Command.objects.get().state == "queued"


def test_a_number_of_another_manufacturer_or_of_an_ended_meter_is_free(world):
    register(world)
    register(world, NEW, userNo="another")
    ended = about(world, "1002", userNo="another", meterNo=NEW, initNum="3", reason="拆表", sdateTime=day(0))
    assert ended["echoCode"] == "0000"
    other = build_world(company="20002", factor="0099")
    detail = {"priceLength": "1", "price1": "1"}
    names = {"companyCode": "20002", "factorNo": "0099"}
    other.cis.send("1007", **names, priceCode="p", priceProperty="1", priceType="1", priceDetail=detail)
    body = {"meterType": "441", "initNum": "0", "billingModel": "3", "payModel": "1", "sdateTime": day(0)}
    assert other.cis.send("1001", **names, userNo="1", meterNo=NEW, priceCode="p", **body)["echoCode"] == "0000"
    assert replace(world)["echoCode"] == "0000"
    assert Meter.objects.filter(meter_no=NEW, status="active").count() == 2


@pytest.mark.parametrize(("index", "code"), [("12.4999", "9999"), ("12.5", "0000"), ("12.5001", "0000")])
def test_the_closing_index_is_at_least_the_last_valid_one(world, index, code):
    """A reading that was flagged does not count, though it is higher."""
    register(world)
    report(world, local(f"{day(3)} 10:00:00"), "12.5")
    report(world, local(f"{day(2)} 10:00:00"), "9")
    report(world, local(f"{day(2)} 11:00:00"), "99999999")
    before = snapshot()
    answer = replace(world, old=index)
    assert answer["echoCode"] == code
    if code == "9999":
        assert answer["echoMsg"] == "oldNum 不能小于最近一次有效读数"
        assert snapshot() == before
    else:
        assert Account.objects.get(meter__meter_no=METER).settled_volume == Decimal(index)


@pytest.mark.parametrize(("index", "code"), [("71.9999", "9999"), ("72", "0000")])
@pytest.mark.parametrize("end", ["1002", "1009"])
def test_a_meter_whose_clock_is_ahead_has_used_what_it_says(world, end, index, code):
    """Its last reading is five minutes from now: the closing reading comes before it, and must not be below it."""
    register(world)
    report(world, timezone.now() - timedelta(hours=1), "70")
    report(world, timezone.now() + timedelta(minutes=5), "72")
    before = snapshot()
    if end == "1009":
        answer, field = replace(world, old=index), "oldNum"
    else:
        answer, field = about(world, "1002", initNum=index, reason="拆表", sdateTime=day(0)), "initNum"
    assert answer["echoCode"] == code
    if code == "9999":
        assert answer["echoMsg"] == f"{field} 不能小于最近一次有效读数"
        assert snapshot() == before
    else:
        call_command("settle", through=timezone.localdate())
        assert Account.objects.get(meter__meter_no=METER).settled_volume == 72


@pytest.mark.parametrize("pay_mode", ["1", "2"])
@pytest.mark.parametrize("billing_model", ["1", "2", "3"])
def test_the_customer_goes_along(world, billing_model, pay_mode):
    """Price, pay mode, overdraft, address, what was paid in all, and what the CIS last said."""
    customer = {
        "username": "张三",
        "address": "幸福路 1 号",
        "phoneNum": "138",
        "customerType": "02",
        "overdraft": "30",
    }
    register(world, billingModel=billing_model, payModel=pay_mode, **customer)
    paid = {"recharged": 80, "recharge_count": 2, "last_recharge": 30, "last_recharged_at": timezone.now()}
    told = {"cis_valve_control": "2", "cis_price": 3, "cis_remaining": 7}
    if billing_model != "3":
        MeterState.objects.update(**paid, **told)
    else:
        for stream, amount in (("a", 50), ("b", 30)):
            recharge(Meter.objects.get(), amount=Decimal(amount), stream=stream, now=timezone.now())
    old = MeterState.objects.get()
    assert replace(world)["echoCode"] == "0000"
    new = Meter.objects.get(meter_no=NEW)
    assert (new.billing_model, new.pay_mode, new.overdraft) == (billing_model, pay_mode, 30)
    assert (new.user_name, new.address, new.phone, new.customer_type) == ("张三", "幸福路 1 号", "138", "02")
    assert MeterPrice.objects.get(meter=new, ends=None).price.code == PRICE
    for name in (*paid, *told):
        assert getattr(new.state, name) == getattr(old, name), name
    assert (new.state.index, new.state.read_at, new.state.valve) == (None, None, "unknown")
    account = Account.objects.get(meter=new)
    assert account.overdraft_limit == (30 if (billing_model, pay_mode) == ("3", "1") else None)
    # 20 m3 at 1.4 of 80 CNY.
    assert account.balance == (52 if billing_model == "3" else 0)
    assert (new.replaces, Meter.objects.get(meter_no=METER).replaced_by) == (old.meter, new)


@pytest.mark.parametrize(
    ("paid", "balance", "in_arrears"), [("28", "0", False), ("23.0001", "-4.9999", False), ("23", "-5", True)]
)
def test_arrears_go_along_with_the_balance(world, paid, balance, in_arrears):
    """20 m3 cost 28 CNY, 5 CNY may be owed."""
    register(world, overdraft="5")
    recharge(Meter.objects.get(), amount=Decimal(paid), stream="a", now=timezone.now())
    assert replace(world)["echoCode"] == "0000"
    old, new = Account.objects.order_by("pk")
    assert (old.balance, old.in_arrears) == (0, False)
    assert (new.balance, new.in_arrears) == (Decimal(balance), in_arrears)
    prove_books()


@pytest.mark.parametrize("settled", [True, False], ids=["settled today already", "not settled"])
def test_usage_goes_on_over_the_swap_whatever_was_settled(world, settled):
    """45 m3 before this meter's life, 3 until the swap: two are left of the first tier."""
    register(world, initCycle="45")
    report(world, local(f"{day(2)} 10:00:00"), "1")
    report(world, timezone.now() - timedelta(minutes=5), "2")
    if settled:
        call_command("settle", through=timezone.localdate())
    assert replace(world, old="3", new="100")["echoCode"] == "0000"
    report(world, timezone.now() + timedelta(seconds=5), "103", NEW)
    call_command("settle", through=timezone.localdate())
    assert [(row["meterNo"], row["price"], row["useGas"]) for row in world.usage(day(10), day(0), METER)] == [
        (METER, "1.4", "1"),
        (METER, "1.4", "2"),
        (NEW, "1.4", "2"),
        (NEW, "2.4", "1"),
    ]
    # 5 m3 at 1.4 and 1 at 2.4.
    assert Account.objects.get(meter__meter_no=NEW).balance == Decimal("-9.4")
    prove_books()


def test_usage_is_never_negative(world):
    """The new register stands higher or lower than the old one; a reading below its start is flagged."""
    register(world)
    assert replace(world, old="20", new="1000")["echoCode"] == "0000"
    report(world, timezone.now() + timedelta(seconds=5), "999", NEW)
    call_command("settle", through=timezone.localdate())
    assert Reading.objects.get(index=999).quality == "decrease"
    assert replace(world, meterNo=NEW, newMeterNo=NEWER, old="1000", new="0")["echoCode"] == "0000"
    report(world, timezone.now() + timedelta(seconds=9), "0.5", NEWER)
    call_command("settle", through=timezone.localdate())
    rows = world.usage(day(10), day(0), METER)
    assert [(row["meterNo"], row["useGas"]) for row in rows] == [(METER, "20"), (NEW, "0"), (NEWER, "0.5")]
    prove_books()


def test_a_period_shows_the_meters_that_served_in_it(world):
    """1015 by user over the swap; by the new number its own days only."""
    register(world)
    report(world, local(f"{day(3)} 10:00:00"), "12")
    assert replace(world)["echoCode"] == "0000"
    report(world, timezone.now() + timedelta(seconds=5), "9", NEW)
    call_command("settle", through=timezone.localdate())
    new = Meter.objects.get(meter_no=NEW).device_id

    def meters(first, last, **fields):
        body = {
            "companyCode": COMPANY,
            "factorNo": FACTOR,
            "userNo": METER,
            "startTime": day(first),
            "endTime": day(last),
        }
        rows = world.cis.send("1015", **body, **fields)["echoMsg"]["gasData"]
        return [(row["useDate"], row["meterNo"], row["useGas"]) for row in rows]

    assert meters(10, 0) == [(day(3), METER, "12"), (day(0), METER, "8"), (day(0), NEW, "4")]
    assert meters(10, 1) == [(day(3), METER, "12")]
    assert meters(2, 0) == [(day(0), METER, "8"), (day(0), NEW, "4")]
    assert meters(10, 0, meterNo=NEW) == meters(10, 0, deviceId=new) == [(day(0), NEW, "4")]


def test_a_command_on_its_way_out_is_taken_back_with_its_meter(world):
    """The head-end has not been told yet: it never is."""
    world.headend_peer.url = "http://127.0.0.1:9"
    world.headend_peer.save()
    register(world)
    about(world, "1004", paramNo="03", paramContext={"total": "1", "data": {"valveSet": "1"}}, sdateTime=day(0))
    assert Command.objects.get().state == "sent"
    assert replace(world)["echoCode"] == "0000"
    assert Command.objects.get().state == "cancelled"
    assert OutboundMessage.objects.get(code="1004").state == "withdrawn"
    assert OutboundMessage.objects.filter(code="2002").count() == 1
