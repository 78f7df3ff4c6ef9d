"""1014: everything known of one meter, key for key (R3, R8, R11)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from meters.models import MeterState
from tests.world import COMPANY, FACTOR, PRICE, local

METER = "188011110128"
KEYS = {
    "serialNo",
    "deviceId",
    "meterNo",
    "meterState",
    "setUpTime",
    "beseNum",
    "readingNum",
    "userName",
    "address",
    "userType",
    "valveState",
    "sumUseGas",
    "sumUseMoney",
    "sumRechargeAomunt",
    "balance",
    "price",
    "priceCode",
    "lastReadingTime",
    "lastRechargeAmount",
    "lastRechargeDate",
    "rechargeCount",
    "voltage",
    "signalStrength",
}


def detail(world, **fields):
    body = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER, **fields}
    return world.cis.send("1014", **body)


def test_a_meter_that_never_reported(priced_world):
    device_id = priced_world.register(initNum="3.5", sdateTime="2026-02-20")["echoMsg"]["deviceId"]
    message = detail(priced_world)["echoMsg"]
    assert message.pop("serialNo").startswith("serial")
    assert message == {
        "deviceId": device_id,
        "meterNo": METER,
        "meterState": "2",
        "setUpTime": "2026-02-20",
        "beseNum": "3.5",
        "readingNum": "3.5",
        "userName": "",
        "address": "",
        "userType": "",
        "valveState": "3",
        "sumUseGas": "0",
        "sumUseMoney": "0",
        "sumRechargeAomunt": "0",
        "balance": "0",
        "price": "1.4",
        "priceCode": PRICE,
        "lastReadingTime": "",
        "lastRechargeAmount": "0",
        "lastRechargeDate": "",
        "rechargeCount": "0",
        "voltage": "",
        "signalStrength": "",
    }


def test_a_meter_that_reported_shows_its_latest_state(priced_world):
    priced_world.register(username="测试 3", address="幸福路", customerType="02")
    yesterday = timezone.localdate() - timedelta(days=1)
    priced_world.report(local(f"{yesterday} 12:30:05"), "11", valveState="3")
    message = detail(priced_world)["echoMsg"]
    assert set(message) == KEYS
    assert all(isinstance(value, str) for value in message.values())
    assert (message["userName"], message["address"], message["userType"]) == ("测试 3", "幸福路", "居民户")
    assert (message["readingNum"], message["lastReadingTime"]) == ("11", f"{yesterday} 12:30:05")
    assert (message["valveState"], message["voltage"], message["signalStrength"]) == ("2", "6.14", "59%")


@pytest.mark.parametrize(("reported", "code"), [("2", "1"), ("3", "2"), ("9", "3"), ("x", "3")])
def test_valve_states_have_1014s_own_codes(priced_world, reported, code):
    priced_world.register()
    priced_world.report(timezone.now() - timedelta(hours=1), "1", valveState=reported)
    assert detail(priced_world)["echoMsg"]["valveState"] == code


def test_billing_model_1_shows_what_the_meter_reports(priced_world):
    priced_world.register(billingModel="1")
    fields = {"sumUseGas": "11", "sumUseAmount": "22.5", "curPrice": "2.05", "meterBalance": "-3.5"}
    priced_world.report(timezone.now() - timedelta(hours=1), "11", billingModel="1", **fields)
    message = detail(priced_world)["echoMsg"]
    shown = [message[name] for name in ("sumUseGas", "sumUseMoney", "price", "balance")]
    assert shown == ["11", "22.5", "2.05", "-3.5"]


def test_billing_model_2_shows_what_the_cis_answered(priced_world):
    priced_world.register(billingModel="2")
    assert detail(priced_world)["echoMsg"]["price"] == "1.4"
    MeterState.objects.update(cis_price=Decimal("2.33"), cis_remaining=Decimal("199.301"))
    message = detail(priced_world)["echoMsg"]
    assert (message["price"], message["balance"]) == ("2.33", "199.301")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"userNo": "nobody"}, "用户不存在"),
        ({"meterNo": "000000000000"}, "表具不存在"),
        ({"deviceId": "elsewhere"}, "表具不存在"),
        ({"userNo": ""}, "userNo 不能为空"),
        ({"meterNo": ""}, "meterNo 不能为空"),
    ],
)
def test_everything_given_must_point_to_the_same_meter(priced_world, fields, message):
    priced_world.register()
    assert detail(priced_world, **fields) == {"echoCode": "9999", "echoMsg": message}


def test_a_user_and_a_meter_that_do_not_belong_together(priced_world):
    priced_world.register()
    priced_world.register("200000000002")
    assert detail(priced_world, meterNo="200000000002") == {"echoCode": "9999", "echoMsg": "表具不存在"}
