"""1001: a meter enters service, once, with everything that later messages need (R7)."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from meters.models import Account, Meter, MeterPrice, MeterState
from tests.world import COMPANY, FACTOR, PRICE, build_world, local

NOTHING = (Meter, MeterState, Account, MeterPrice)


def test_a_registration_opens_everything_that_belongs_to_a_meter(priced_world):
    answer = priced_world.register(
        username="张三",
        deviceId="dev-1",
        commNo="89860",
        address="幸福路 1 号",
        phoneNum="13800000000",
        customerType="02",
        initNum="12.3456",
        initCycle="40.5",
        overdraft="20",
        sdateTime="20260102094101",
    )
    assert answer["echoCode"] == "0000"
    assert answer["echoMsg"]["deviceId"] == "dev-1"
    assert sorted(answer["echoMsg"]) == ["deviceId", "rdateTime", "serialNo"]
    meter = Meter.objects.get()
    assert (meter.user_name, meter.comm_no, meter.address, meter.phone) == (
        "张三",
        "89860",
        "幸福路 1 号",
        "13800000000",
    )
    assert (meter.customer_type, meter.billing_model, meter.pay_mode, meter.meter_type) == ("02", "3", "1", "441")
    assert (meter.initial_index, meter.initial_cycle_volume, meter.overdraft) == (
        Decimal("12.3456"),
        Decimal("40.5"),
        Decimal(20),
    )
    assert (meter.registered_at, meter.status) == (local("2026-01-02 09:41:01"), "active")
    price = MeterPrice.objects.get()
    assert (price.price.code, price.starts, price.ends) == (PRICE, date(2026, 1, 2), None)
    account = meter.account
    assert (account.unsettled_from, account.settled_through) == (date(2026, 1, 2), date(2026, 1, 1))
    assert (account.settled_index, account.balance) == (Decimal("12.3456"), 0)
    assert (account.cycle_start, account.cycle_volume) == (date(2026, 1, 1), Decimal("40.5"))
    assert meter.state.valve == "unknown"


def test_a_missing_device_id_is_made_by_the_platform(priced_world):
    device_id = priced_world.register(deviceId="")["echoMsg"]["deviceId"]
    assert uuid.UUID(device_id).hex == device_id
    assert Meter.objects.get().device_id == device_id


@pytest.mark.parametrize(
    ("meter_no", "fields", "message"),
    [
        ("200000000002", {"userNo": "188011110128"}, "用户号 188011110128 已存在，表具注册失败！"),
        ("188011110128", {"userNo": "other"}, "表号 188011110128 已存在，表具注册失败！"),
        ("200000000002", {"userNo": "other", "deviceId": "dev-1"}, "设备 dev-1 已存在，表具注册失败！"),
    ],
)
def test_what_is_taken_is_refused_and_nothing_is_stored(priced_world, meter_no, fields, message):
    priced_world.register(deviceId="dev-1")
    before = [model.objects.count() for model in NOTHING]
    assert priced_world.register(meter_no, **fields) == {"echoCode": "9999", "echoMsg": message}
    assert [model.objects.count() for model in NOTHING] == before


def test_the_same_user_number_at_another_company_and_meter_number_of_another_manufacturer(priced_world):
    priced_world.register()
    other = build_world(company="20002", factor="0099")
    fields = {"companyCode": "20002", "factorNo": "0099", "priceCode": PRICE}
    tiers = {"priceLength": "1", "price1": "2"}
    other.cis.send("1007", **fields, priceProperty="1", priceType="1", priceDetail=tiers)
    answer = other.cis.send(
        "1001",
        **fields,
        userNo="188011110128",
        meterNo="188011110128",
        meterType="502",
        initNum="0",
        billingModel="1",
        payModel="2",
        sdateTime="2026-01-02",
    )
    assert answer["echoCode"] == "0000"
    assert Meter.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"meterNo": "12345678901"}, "meterNo 必须是 12 位数字"),
        ({"meterNo": "12345678901x"}, "meterNo 必须是 12 位数字"),
        ({"userNo": "1" * 18}, "userNo 长度不能超过 17"),
        ({"userNo": ""}, "userNo 不能为空"),
        ({"meterType": "999"}, "meterType 的值 999 无效"),
        ({"customerType": "10"}, "customerType 的值 10 无效"),
        ({"billingModel": "4"}, "billingModel 的值 4 无效"),
        ({"payModel": "0"}, "payModel 的值 0 无效"),
        ({"overdraft": "-1"}, "overdraft 不能为负数"),
        ({"initCycle": "x"}, "initCycle 不是有效的数字"),
        ({"priceCode": "nope"}, "价格 nope 不存在"),
        ({"priceCode": ""}, "priceCode 不能为空"),
        ({"sdateTime": ""}, "sdateTime 不能为空"),
    ],
)
def test_a_registration_that_is_wrong_is_refused_and_nothing_is_stored(priced_world, fields, message):
    body = {"meter_no": fields.pop("meterNo", "188011110128"), **fields}
    assert priced_world.register(**body) == {"echoCode": "9999", "echoMsg": message}
    assert [model.objects.count() for model in NOTHING] == [0, 0, 0, 0]


def test_a_life_cannot_begin_in_the_future(priced_world):
    tomorrow = timezone.localdate() + timedelta(days=1)
    answer = priced_world.register(sdateTime=str(tomorrow) + " 12:00:00")
    assert answer == {"echoCode": "9999", "echoMsg": "sdateTime 不能晚于当前时间"}
    assert not Meter.objects.exists()


def test_a_price_of_another_manufacturer_does_not_serve(priced_world):
    build_world(company=COMPANY, factor="0099")
    answer = priced_world.cis.send(
        "1001",
        companyCode=COMPANY,
        factorNo="0099",
        userNo="1",
        meterNo="188011110128",
        meterType="441",
        initNum="0",
        billingModel="3",
        payModel="1",
        sdateTime="2026-01-02",
        priceCode=PRICE,
    )
    assert answer == {"echoCode": "9999", "echoMsg": f"价格 {PRICE} 不存在"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("same", "refusal"),
    [
        ({"meterNo": "188011110128"}, "表号 188011110128 已存在，表具注册失败！"),
        ({"userNo": "one"}, "用户号 one 已存在，表具注册失败！"),
        ({"deviceId": "D-1"}, "设备 D-1 已存在，表具注册失败！"),
    ],
)
def test_what_is_unique_from_16_connections_becomes_one_meter(same, refusal):
    world = build_world()
    world.create_price()

    def register(number):
        fields = {"meterNo": f"18801111{number:04}", "userNo": f"user{number}", "deviceId": f"d{number}", **same}
        try:
            return world.register(fields.pop("meterNo"), **fields)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(register, range(16)))

    codes = [answer["echoCode"] for answer in answers]
    assert sorted(codes) == ["0000"] + ["9999"] * 15
    refusals = {answer["echoMsg"] for answer in answers if answer["echoCode"] == "9999"}
    assert refusals == {refusal}
    assert [model.objects.count() for model in NOTHING] == [1, 1, 1, 1]
    assert Meter.objects.get().manufacturer.factor_no == FACTOR
