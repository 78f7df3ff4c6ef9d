"""1002, 1008, 1009: the ends and turns of a meter's life (R7, R9)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone

from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter, MeterPrice, MeterState
from meters.prices import price_on
from readings.models import DailyUsage, Reading
from tests.world import COMPANY, FACTOR, PRICE, local

METER, NEW = "188011110128", "188011110129"


def about(world, code, **fields):
    body = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER, **fields}
    return world.cis.send(code, **body)


def deregister(world, index="20", **fields):
    body = {"initNum": index, "reason": "外部接口表具注销", "sdateTime": "2019-03-24", **fields}
    return about(world, "1002", **body)


def replace(world, old="20", new="5", **fields):
    body = {"newMeterType": "502", "newMeterNo": NEW, "oldNum": old, "newNum": new, **fields}
    return about(world, "1009", **body)


def day_text(days_ago):
    return str(timezone.localdate() - timedelta(days=days_ago))


def report(world, days_ago, index, **fields):
    answer = world.report(local(f"{day_text(days_ago)} 10:00:00"), index, **fields)
    assert answer["echoCode"] == "0000", answer


def settle():
    call_command("settle")


def snapshot():
    return [
        list(model.objects.order_by("pk").values())
        for model in (Meter, MeterState, MeterPrice, Account, AccountEntry, Reading, DailyUsage)
    ]


@pytest.fixture
def world(priced_world):
    assert priced_world.register(sdateTime=day_text(10))["echoCode"] == "0000"
    report(priced_world, 3, "12.5")
    return priced_world


def test_a_deregistered_meter_is_settled_to_its_end_and_gone(world):
    device_id = Meter.objects.get().device_id
    answer = deregister(world)
    assert answer["echoCode"] == "0000"
    assert answer["echoMsg"]["deviceId"] == device_id
    meter = Meter.objects.get()
    assert (meter.status, meter.closing_index, meter.end_reason) == ("ended", Decimal(20), "外部接口表具注销")
    assert meter.ended_at is not None
    rows = DailyUsage.objects.order_by("day").values_list("day", "volume", "amount")
    assert [(str(day), volume, amount) for day, volume, amount in rows] == [
        (day_text(3), Decimal("12.5"), Decimal("17.5")),
        (day_text(0), Decimal("7.5"), Decimal("10.5")),
    ]
    assert meter.account.balance == Decimal(-28)
    assert about(world, "1014") == {"echoCode": "9999", "echoMsg": "用户不存在"}
    assert world.report(timezone.now(), "21") == {"echoCode": "9999", "echoMsg": "用户不存在"}
    call_command("settle", through=timezone.localdate())
    assert DailyUsage.objects.count() == 2


def test_the_numbers_are_free_for_a_fresh_history(world):
    deregister(world)
    assert world.register(initNum="3", sdateTime=day_text(0))["echoCode"] == "0000"
    assert world.usage(day_text(10), day_text(0)) == []
    assert about(world, "1014")["echoMsg"]["sumUseGas"] == "0"
    assert Meter.objects.filter(meter_no=METER).count() == 2


def test_a_fresh_history_has_nothing_of_the_old_one(world):
    """Readings, usage, recharges and their streams and the device id are those of the new registration."""
    old = Meter.objects.get()
    recharge(old, amount=Decimal(100), stream="r1", now=timezone.now())
    assert deregister(world)["echoCode"] == "0000"
    kept = rows_of(old)
    registered = world.register(initNum="3", sdateTime=day_text(0), deviceId=old.device_id, initCycle="7")
    assert registered["echoCode"] == "0000"
    new = Meter.objects.exclude(pk=old.pk).get()
    assert (new.replaces, new.origin) == (None, None)
    recharge(new, amount=Decimal(40), stream="r1", now=timezone.now())
    assert world.report(timezone.now() + timedelta(seconds=5), "4")["echoCode"] == "0000"
    call_command("settle", through=timezone.localdate())
    shown = about(world, "1014")["echoMsg"]
    names = ("beseNum", "readingNum", "sumUseGas", "sumUseMoney", "balance", "sumRechargeAomunt", "rechargeCount")
    assert [shown[name] for name in names] == ["3", "4", "1", "1.4", "38.6", "40", "1"]
    assert [(row["useDate"], row["useGas"]) for row in world.usage(day_text(10), day_text(0))] == [(day_text(0), "1")]
    assert rows_of(old) == kept
    # 12.5 and 7.5 m3 at 1.4.
    assert Account.objects.get(meter=old).balance == Decimal(72)


def rows_of(meter):
    models = (MeterState, MeterPrice, Account, AccountEntry, Reading, DailyUsage)
    own = [list(model.objects.filter(meter=meter).order_by("pk").values()) for model in models]
    return [*own, Meter.objects.filter(pk=meter.pk).values().get()]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"initNum": "12.4999"}, "initNum 不能小于最近一次有效读数"),
        ({"initNum": "99999999"}, "initNum 超出合理范围"),
        ({"initNum": ""}, "initNum 不能为空"),
        ({"reason": ""}, "reason 不能为空"),
        ({"reason": "表" * 51}, "reason 不得超过 100 字符（50 汉字）"),
        ({"reason": "x" * 101}, "reason 不得超过 100 字符（50 汉字）"),
        ({"reason": "表" * 50 + "x"}, "reason 不得超过 100 字符（50 汉字）"),
        ({"userNo": "other"}, "用户不存在"),
        ({"meterNo": NEW}, "表具不存在"),
    ],
)
def test_a_deregistration_that_is_wrong_changes_nothing(world, fields, message):
    before = snapshot()
    index = fields.pop("initNum", "20")
    assert deregister(world, index, **fields) == {"echoCode": "9999", "echoMsg": message}
    assert snapshot() == before


@pytest.mark.parametrize("reason", ["表" * 50, "x" * 100, "表" * 49 + "xx"])
def test_a_reason_of_100_characters_fits(world, reason):
    assert deregister(world, reason=reason)["echoCode"] == "0000"


def test_a_replacement_carries_everything_on(world):
    old = Meter.objects.get()
    recharge(old, amount=Decimal(100), stream="r1", now=timezone.now())
    answer = replace(world, old="55", new="7")
    new = Meter.objects.get(meter_no=NEW)
    assert answer["echoMsg"]["deviceId"] == new.device_id
    assert (new.replaces, new.origin, old.replaced_by) == (old, old, new)
    assert (new.user_no, new.billing_model, new.pay_mode, new.meter_type) == (METER, "3", "1", "502")
    assert price_on(new, timezone.localdate()).code == PRICE
    old_account, account = Account.objects.get(meter=old), Account.objects.get(meter=new)
    # 12.5 m3 on one day, 42.5 on the last: 50 at 1.4 and 5 at 2.4.
    assert (old_account.settled_amount, old_account.balance) == (Decimal(82), 0)
    assert account.balance == Decimal(18)
    assert (account.cycle_volume, account.settled_volume) == (Decimal(55), 0)
    entries = AccountEntry.objects.order_by("id").values_list("meter__meter_no", "kind", "amount")
    assert list(entries) == [
        (METER, "recharge", Decimal(100)),
        (METER, "settlement", Decimal(-82)),
        (METER, "carry_out", Decimal(-18)),
        (NEW, "carry_in", Decimal(18)),
    ]

    world.headend.send("2001")
    answer = world.report(timezone.now() + timedelta(seconds=5), "10", NEW, userNo=METER)
    assert answer["echoCode"] == "0000"
    call_command("settle", through=timezone.localdate())
    rows = world.usage(day_text(10), day_text(0), METER)
    assert [(row["useDate"], row["meterNo"], row["price"], row["useGas"]) for row in rows] == [
        (day_text(3), METER, "1.4", "12.5"),
        (day_text(0), METER, "1.4", "37.5"),
        (day_text(0), METER, "2.4", "5"),
        (day_text(0), NEW, "2.4", "3"),
    ]
    assert Account.objects.get(meter=new).balance == Decimal("10.8")


def test_the_old_number_is_free_and_the_new_one_answers(world):
    replace(world)
    assert about(world, "1014") == {"echoCode": "9999", "echoMsg": "表具不存在"}
    assert about(world, "1014", meterNo=NEW)["echoMsg"]["beseNum"] == "5"
    assert world.register(METER, userNo="another", sdateTime=day_text(0))["echoCode"] == "0000"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"oldNum": "12.4"}, "oldNum 不能小于最近一次有效读数"),
        ({"oldNum": "99999999"}, "oldNum 超出合理范围"),
        ({"newNum": "-1"}, "newNum 不能为负数"),
        ({"newMeterNo": METER[:11]}, "newMeterNo 必须是 12 位数字"),
        ({"newMeterNo": "188011110130"}, "新表号 188011110130 已存在，表具更换失败！"),
        ({"newMeterType": "1"}, "newMeterType 的值 1 无效"),
        ({"deviceId": "other"}, "表具不存在"),
    ],
)
def test_a_replacement_that_is_wrong_changes_nothing(world, fields, message):
    world.register("188011110130")
    before = snapshot()
    body = {"oldNum": "20", "newNum": "5", "newMeterType": "502", "newMeterNo": NEW, **fields}
    assert about(world, "1009", **body) == {"echoCode": "9999", "echoMsg": message}
    assert snapshot() == before


def test_another_manufacturer_cannot_replace(world):
    before = snapshot()
    assert replace(world, factorNo="0099")["echoCode"] == "0404"
    assert snapshot() == before


def test_a_chain_of_replacements_keeps_the_cycle_and_the_user(world):
    assert replace(world, old="49", new="0")["echoCode"] == "0000"
    answer = replace(world, meterNo=NEW, newMeterNo="188011110140", old="2", new="0")
    assert answer["echoCode"] == "0000", answer
    assert replace(world, meterNo="188011110140", newMeterNo="188011110141", old="0", new="0")["echoCode"] == "0000"
    rows = world.usage(day_text(10), day_text(0), METER)
    assert [(row["meterNo"], row["price"], row["useGas"]) for row in rows] == [
        (METER, "1.4", "12.5"),
        (METER, "1.4", "36.5"),
        (NEW, "1.4", "1"),
        (NEW, "2.4", "1"),
        ("188011110140", "2.4", "0"),
    ]
    assert Account.objects.get(meter__meter_no="188011110141").balance == Decimal("-72.4")
    assert Meter.objects.get(meter_no="188011110141").origin.meter_no == METER


def test_a_price_change_holds_from_today(world):
    world.create_price("贵", priceType="1", cycleLength="", priceDetail={"priceLength": "1", "price1": "9"})
    assert about(world, "1008", newPriceCode="贵")["echoCode"] == "0000"
    meter = Meter.objects.get()
    today = timezone.localdate()
    assert [price_on(meter, today - timedelta(days=n)).code for n in (0, 1, 10)] == ["贵", PRICE, PRICE]
    assert price_on(meter, today - timedelta(days=11)) is None
    assert about(world, "1014")["echoMsg"]["price"] == "9"
    world.report(timezone.now(), "13.5")
    call_command("settle", through=today)
    rows = world.usage(day_text(10), day_text(0))
    assert [(row["useDate"], row["price"], row["useAmount"]) for row in rows] == [
        (day_text(3), "1.4", "17.5"),
        (day_text(0), "9", "9"),
    ]


def test_a_price_change_after_today_was_settled_settles_today_again(world):
    world.report(timezone.now(), "13.5")
    call_command("settle", through=timezone.localdate())
    world.create_price("贵", priceType="1", cycleLength="", priceDetail={"priceLength": "1", "price1": "9"})
    about(world, "1008", newPriceCode="贵")
    call_command("settle", through=timezone.localdate())
    assert [row["useAmount"] for row in world.usage(day_text(10), day_text(0))] == ["17.5", "9"]
    corrections = AccountEntry.objects.filter(kind="correction").values_list("amount", "old_amount", "new_amount")
    assert list(corrections) == [(Decimal("-7.6"), Decimal("1.4"), Decimal(9))]


def test_a_price_changed_and_changed_back_on_one_day_leaves_one_row(world):
    world.create_price("贵")
    for code in ("贵", PRICE, PRICE):
        assert about(world, "1008", newPriceCode=code)["echoCode"] == "0000"
    assert MeterPrice.objects.values_list("price__code", "ends").get() == (PRICE, None)


def test_the_tier_goes_on_after_a_change_to_a_price_with_other_cycles(world):
    settle()
    world.create_price("月", cycleLength="1")
    about(world, "1008", newPriceCode="月")
    account = Account.objects.get()
    assert (account.cycle_start.day, account.cycle_volume) == (1, Decimal("12.5"))


def test_an_unknown_price_changes_nothing(world):
    before = snapshot()
    assert about(world, "1008", newPriceCode="无") == {"echoCode": "9999", "echoMsg": "价格 无 不存在"}
    assert snapshot() == before
