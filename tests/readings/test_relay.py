"""Telling the CIS of a reading (2001): once per CIS with a URL, key for key the specification's table 2.4.11."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from meters.models import Meter
from protocol.models import Company, OutboundMessage
from protocol.parties import create_peer
from readings.models import Reading
from tests.world import COMPANY, FACTOR, build_world, local

KEYS = {
    *("serialNo", "userNo", "deviceId", "factorNo", "meterNo", "billingModel", "readNum", "addGas"),
    *("sumUseGas", "sumUseAmount", "readDate", "readTime", "batteryCap", "semaphore", "temperature"),
    *("standardTotalValue", "workTotalValue", "standardInstantValue", "workInstantValue", "pressureValue"),
    *("valveState", "curPrice", "meterBalance", "companyCode", "sdateTime"),
}
NUMBER = "188011110128"


@pytest.fixture
def world(db):
    world = build_world(cis_url="http://127.0.0.1:9/")
    world.create_price()
    return world


def register(world, **fields):
    assert world.register(sdateTime="2025-03-01", userNo="11368453", **fields)["echoCode"] == "0000"


def report(world, moment="2025-03-05 11:16:15", index="0.3", **fields):
    return world.report(local(moment), index, userNo="11368453", **fields)


def bodies():
    return [json.loads(message.body) for message in OutboundMessage.objects.order_by("id")]


def test_the_body_is_key_for_key_the_one_of_the_specification(world):
    register(world, billingModel="1")
    report(
        world,
        billingModel="1",
        addGas={"2025-03-04": "0.2", "20250303": "0.1000"},
        sumUseGas="0.30",
        sumUseAmount="0.42",
        temperature="-3.5",
        standardTotalValue="1",
        workTotalValue="2",
        standardInstantValue="3",
        workInstantValue="-4",
        pressureValue="5.0",
        curPrice="1.4000",
        meterBalance="-0.5",
    )
    message = OutboundMessage.objects.get()
    meter = Meter.objects.get()
    assert (message.peer, message.code, message.lane) == (world.cis_peer, "2001", meter.pk)
    [body] = bodies()
    assert set(body) == KEYS
    assert body == {
        "serialNo": message.serial_no,
        "userNo": "11368453",
        "deviceId": meter.device_id,
        "factorNo": FACTOR,
        "meterNo": NUMBER,
        "billingModel": "1",
        "readNum": "0.3",
        "addGas": {"2025-03-03": "0.1", "2025-03-04": "0.2"},
        "sumUseGas": "0.3",
        "sumUseAmount": "0.42",
        "readDate": "20250305",
        "readTime": "111615",
        "batteryCap": "6.14",
        "semaphore": "59",
        "temperature": "-3.5",
        "standardTotalValue": "1",
        "workTotalValue": "2",
        "standardInstantValue": "3",
        "workInstantValue": "-4",
        "pressureValue": "5",
        "valveState": "2",
        "curPrice": "1.4",
        "meterBalance": "-0.5",
        "companyCode": COMPANY,
        "sdateTime": str(timezone.localdate()),
    }


def test_what_was_not_given_is_empty(world):
    register(world)
    report(world)
    [body] = bodies()
    assert set(body) == KEYS
    assert {name for name, value in body.items() if value == ""} == {
        *("addGas", "sumUseGas", "sumUseAmount", "temperature", "standardTotalValue", "workTotalValue"),
        *("standardInstantValue", "workInstantValue", "pressureValue", "curPrice", "meterBalance"),
    }


@pytest.mark.parametrize("billing_model", ["1", "2", "3"])
def test_the_billing_model_is_the_one_that_was_registered(world, billing_model):
    register(world, billingModel=billing_model)
    report(world, billingModel="2")
    assert bodies()[0]["billingModel"] == billing_model


def test_a_pure_repeat_is_not_told_again(world):
    register(world)
    report(world, addGas={"2025-03-04": "0.2"})
    answer = report(world, addGas={"2025-03-04": "0.2"})
    assert answer["echoCode"] == "0000"
    assert len(bodies()) == 1


def test_a_repeat_with_a_day_that_is_new_is_told(world):
    register(world)
    report(world)
    report(world, addGas={"2025-03-04": "0.2"})
    assert [body["addGas"] for body in bodies()] == ["", {"2025-03-04": "0.2"}]


def test_a_flagged_reading_is_told_too(world):
    register(world)
    report(world, index="10")
    report(world, moment="2025-03-06 11:16:15", index="9")
    assert [body["readNum"] for body in bodies()] == ["10", "9"]


def test_a_refused_report_is_not_told(world):
    register(world)
    answer = world.report(timezone.now() + timedelta(minutes=12), "1", userNo="11368453")
    assert answer == {"echoCode": "9999", "echoMsg": "readDate 抄见时间不能晚于当前时间"}
    assert (bodies(), Reading.objects.count()) == ([], 0)


def test_every_cis_of_the_company_that_has_a_url_is_told_once(world):
    second = create_peer(
        kind="cis", app_code="second", app_secret="s", companies=[COMPANY], url="http://127.0.0.1:9/x"
    ).row
    create_peer(kind="cis", app_code="calls-only", app_secret="s", companies=[COMPANY])
    Company.objects.create(code="20002", name="二")
    create_peer(kind="cis", app_code="elsewhere", app_secret="s", companies=["20002"], url="http://127.0.0.1:9/y")
    register(world)
    report(world)
    messages = OutboundMessage.objects.order_by("peer_id")
    assert [message.peer for message in messages] == [world.cis_peer, second]
    assert len({message.serial_no for message in messages}) == 2


def test_the_values_of_a_report_are_kept_with_the_reading(world):
    register(world)
    report(world, sumUseGas="1", sumUseAmount="2", pressureValue="3", curPrice="4", meterBalance="-5", valveState="3")
    reading = Reading.objects.get()
    kept = {
        "battery_voltage": Decimal("6.14"),
        "signal_percent": Decimal(59),
        "pressure": Decimal(3),
        "reported_volume": Decimal(1),
        "reported_amount": Decimal(2),
        "reported_price": Decimal(4),
        "reported_balance": Decimal(-5),
        "temperature": None,
        "valve": "closed",
    }
    assert {name: getattr(reading, name) for name in kept} == kept


@pytest.mark.parametrize(("code", "valve"), [("2", "open"), ("3", "closed"), ("0", "unknown"), ("x", "unknown")])
def test_valve_codes_of_a_report(world, code, valve):
    register(world)
    report(world, valveState=code)
    assert Reading.objects.get().valve == valve
    assert bodies()[0]["valveState"] == code
