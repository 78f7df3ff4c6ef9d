from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from simulator.fleet import fleet
from simulator.registration import price_message, registration_message
from tests.simulator.fake_platform import NOW


def registration(meter, **changes):
    options: dict[str, Any] = {
        "serial_no": "s1",
        "company": "10001001",
        "factor": "0030",
        "price_code": "民用阶梯",
        "billing_model": "3",
        "pay_model": "2",
        "days": 7,
        "now": NOW,
    }
    return registration_message(meter, **options | changes)


def test_numbers_follow_from_manufacturer_and_place():
    meters = fleet(seed=5, factor="0030", meters=12)
    assert (meters[0].meter_no, meters[0].user_no) == ("003000000001", "6003000000001")
    assert (meters[11].meter_no, meters[11].user_no) == ("003000000012", "6003000000012")
    assert [meter.number for meter in meters] == list(range(1, 13))


def test_a_smaller_fleet_is_the_start_of_a_larger_one():
    assert fleet(seed=1, factor="0030", meters=30)[:7] == fleet(seed=1, factor="0030", meters=7)


def test_customers_are_believable_and_clearly_invented():
    meters = fleet(seed=1, factor="0030", meters=30)
    assert (meters[0].customer, meters[0].phone) == ("褚磊", "10000000001")
    assert meters[0].address == "示例市演示区望月巷1号1栋101室"
    assert meters[29].address.endswith("1号2栋202室")
    assert len({meter.customer for meter in meters}) > 15


def test_price_of_three_tiers():
    assert price_message(serial_no="s1", company="10001001", factor="0030", price_code="民用阶梯") == {
        "serialNo": "s1",
        "factorNo": "0030",
        "companyCode": "10001001",
        "priceCode": "民用阶梯",
        "priceVersion": "V1",
        "priceProperty": "1",
        "priceBeginDate": "",
        "cycleLength": "12",
        "priceType": "2",
        "clearFlag": "",
        "priceDetail": {
            "priceLength": "3",
            "price1": "2.6",
            "price2": "3.12",
            "price3": "3.9",
            "ladder1End": "300",
            "ladder2End": "500",
        },
    }


def test_registration_begins_at_midnight_a_day_before_the_backfill():
    meter = fleet(seed=1, factor="0030", meters=1)[0]
    midnight = datetime(2026, 11, 14, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert registration(meter) == {
        "serialNo": "s1",
        "userNo": "6003000000001",
        "username": "褚磊",
        "deviceId": "",
        "factorNo": "0030",
        "meterType": "10521",
        "meterNo": "003000000001",
        "commNo": "003000000001",
        "initNum": "8049.8701",
        "billingModel": "3",
        "payModel": "2",
        "overdraft": "0",
        "initCycle": "287.3476",
        "companyCode": "10001001",
        "sdateTime": "20261114000000",
        "priceCode": "民用阶梯",
        "address": "示例市演示区望月巷1号1栋101室",
        "phoneNum": "10000000001",
        "customerType": "02",
    }
    assert meter.index_at(midnight) == Decimal("8049.8701")


def test_two_of_three_meters_cross_a_tier_within_the_days():
    for meter in fleet(seed=1, factor="0030", meters=30):
        message = registration(meter)
        used = Decimal(message["initCycle"])
        ahead = meter.index_at(NOW) - Decimal(message["initNum"])
        crossed = [end for end in (300, 500) if used < end < used + ahead]
        assert crossed == {0: [], 1: [300], 2: [500]}[meter.number % 3]
