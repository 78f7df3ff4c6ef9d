"""The specification's own example requests, over real HTTP, as printed (chapter 4).

Only its annotations behind "--" are left out. Companies, manufacturers, meters and the date are set up to fit.
"""

import json
import urllib.request
from datetime import date

import pytest
import time_machine
from django.utils import timezone

from meters.models import Meter
from pricing.models import PriceVersion
from protocol.paths import message_path
from readings.models import Reading
from readings.settlement import settle
from tests.world import build_world, local

pytestmark = pytest.mark.django_db(transaction=True)


def post(live_server, caller, code, text):
    request = urllib.request.Request(
        live_server.url + message_path(code),
        data=text.encode(),
        headers={**caller.headers(), "Content-Type": "application/json;charset=utf-8"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        assert response.status == 200
        return json.loads(response.read())


def create_price(world, code, price="1"):
    answer = world.cis.send(
        "1007",
        companyCode=world.company.code,
        factorNo=world.manufacturer.factor_no,
        priceCode=code,
        priceProperty="1",
        priceType="1",
        priceDetail={"priceLength": "1", "price1": price},
    )
    assert answer["echoCode"] == "0000", answer


def register(world, *, meter_no, user_no, price, **fields):
    answer = world.cis.send(
        "1001",
        companyCode=world.company.code,
        factorNo=world.manufacturer.factor_no,
        meterNo=meter_no,
        userNo=user_no,
        meterType="441",
        payModel="1",
        priceCode=price,
        **{"initNum": "0", "billingModel": "3", "sdateTime": "20200101000000", **fields},
    )
    assert answer["echoCode"] == "0000", answer


@pytest.fixture
def travel():
    with time_machine.travel(local("2020-02-28 12:00:00"), tick=True) as traveller:
        yield traveller


REGISTER = """
{
    "companyCode": "1000058",
    "priceCode": "20200112",
    "initNum": "0",
    "username":"测试表号",
    "deviceId": "",
    "userNo": "202001121556",
    "meterType": "441",
    "sdateTime": "20200102094101",
    "meterNo": "202001121556",
    "billingModel": "2",
    "factorNo": "0011",
    "payModel": "1",
    "serialNo": "21be5f32e6a0484c9228b262ecc8766a"
}
"""


def test_4_1_register(live_server, travel):
    world = build_world(company="1000058", factor="0011")
    missing = post(live_server, world.cis, "1001", REGISTER)
    assert missing == {"echoCode": "9999", "echoMsg": "价格 20200112 不存在"}
    create_price(world, "20200112")
    answer = post(live_server, world.cis, "1001", REGISTER)
    meter = Meter.objects.get()
    assert answer["echoCode"] == "0000"
    assert sorted(answer["echoMsg"]) == ["deviceId", "rdateTime", "serialNo"]
    assert answer["echoMsg"]["serialNo"] == "21be5f32e6a0484c9228b262ecc8766a"
    assert answer["echoMsg"]["deviceId"] == meter.device_id
    assert (meter.user_name, meter.registered_at) == ("测试表号", local("2020-01-02 09:41:01"))
    again = post(live_server, world.cis, "1001", REGISTER.replace("21be5f32", "22be5f32"))
    assert again == {"echoCode": "9999", "echoMsg": "用户号 202001121556 已存在，表具注册失败！"}


CREATE_PRICE = """
{
 "serialNo": "a25bae8d3cae473dbd3233cdcdbb1e111111",
 "factorNo": "0025",
 "companyCode": "10001058",
  "priceCode": "20191218",
 "priceProperty": "1",
 "priceBeginDate": "2019-11-23",
 "cycleLength": "12",
 "priceType": "2",
 "priceDetail": {
  "priceLength": "3",
  "price1": "1.4",
  "ladder1End": "50",
  "price2": "2.4",
  "ladder2End": "300",
  "price3": "3.4"
 }
}
"""


def test_4_5_create_a_price(live_server, travel):
    world = build_world(company="10001058", factor="0025")
    answer = post(live_server, world.cis, "1007", CREATE_PRICE)
    assert answer["echoCode"] == "0000"
    assert answer["echoMsg"]["serialNo"] == "a25bae8d3cae473dbd3233cdcdbb1e111111"
    assert answer["echoMsg"]["deviceId"] == ""
    version = PriceVersion.objects.get()
    assert (version.version, version.effective_from, version.cycle_months) == ("V1", None, 12)
    again = post(live_server, world.cis, "1007", CREATE_PRICE.replace("a25b", "b25b"))
    assert again == {"echoCode": "2004", "echoMsg": "价格信息已存在"}


ADJUST_PRICE = """
{
    "serialNo":"155634648758500201907031344423580",
    "factorNo":"0007",
    "companyCode":"10001059",
    "priceCode":"201907031439",
    "priceVersion":"V1.0",
    "priceProperty":"2",
    "priceBeginDate":"2019-07-07",
    "cycleLength":"12",
    "priceType":"2",
    "priceDetail":{
        "priceLength": "3",
  "price1": "1.4",
  "ladder1End": "50",
  "price2": "2.4",
  "ladder2End": "300",
  "price3": "3.4"
    },
    "clearFlag":"0"
}
"""


def test_4_5_adjust_a_price(live_server):
    with time_machine.travel(local("2019-07-03 14:39:00"), tick=True):
        world = build_world(company="10001059", factor="0007")
        create_price(world, "201907031439")
        answer = post(live_server, world.cis, "1007", ADJUST_PRICE)
        assert answer["echoCode"] == "0000"
        version = PriceVersion.objects.get(version="V1.0")
        assert (version.effective_from, version.restarts_cycle) == (date(2019, 7, 7), True)
        again = post(live_server, world.cis, "1007", ADJUST_PRICE.replace("1556", "1557"))
        assert again == {"echoCode": "2004", "echoMsg": "价格信息已存在"}


READINGS = """
{
    "companyCode":"10001058",
     "meterNo":" 188011110128",
    "factorNo":"0025",
    "readingDate":"",
    "serialNo":"950c892a6b384d3890af48aa69e37a98"
}
"""


def test_4_8_readings_of_a_meter(live_server, travel):
    world = build_world(company="10001058", factor="0025")
    create_price(world, "民用")
    register(world, meter_no="188011110128", user_no="188011110128", price="民用", deviceId="000111201981110002228")
    report(world, local("2019-12-31 17:13:24"), "1")
    report(world, local("2020-02-27 17:13:24"), "2")
    answer = post(live_server, world.cis, "1013", READINGS)
    assert answer == {
        "echoCode": "0000",
        "echoMsg": {
            "readingData": {
                "total": "1",
                "data": [
                    {
                        "sumMoney": "0",
                        "readNum": "2",
                        "userArchivesNum": "188011110128",
                        "valveState": "0",
                        "readDate": "2020-02-27 17:13:24",
                        "meterBalance": "0",
                        "gasMeterNo": "188011110128",
                        "deviceId": "000111201981110002228",
                        "sumGas": "0",
                    }
                ],
            },
            "serialNo": "950c892a6b384d3890af48aa69e37a98",
        },
    }


def report(world, moment, index, meter_no="188011110128", user_no=None):
    answer = world.headend.send(
        "2001",
        companyCode=world.company.code,
        factorNo=world.manufacturer.factor_no,
        meterNo=meter_no,
        userNo=user_no or meter_no,
        billingModel="3",
        readNum=index,
        readDate=timezone.localtime(moment).strftime("%Y%m%d"),
        readTime=timezone.localtime(moment).strftime("%H%M%S"),
        batteryCap="6.14",
        semaphore="59",
        valveState="2",
        sdateTime="2020-02-27",
    )
    assert answer["echoCode"] == "0000", answer


DETAIL = """
{
 "userNo": "20200218",
 "serialNo":"123",
 "factorNo":"123",
 "deviceId":"",
  "customerName":"",
     "meterNo": "202002201332",
    "companyCode":"10001001"
}
"""


def test_4_9_detail_of_a_meter(live_server, travel):
    world = build_world(company="10001001", factor="123")
    create_price(world, "民用气价 1元")
    register(
        world,
        meter_no="202002201332",
        user_no="20200218",
        price="民用气价 1元",
        username="测试 3",
        customerType="02",
        initNum="1",
        sdateTime="20200220000000",
    )
    report(world, local("2020-02-22 00:00:00"), "12", "202002201332", "20200218")
    settle(through=date(2020, 2, 27), now=timezone.now())
    answer = post(live_server, world.cis, "1014", DETAIL)
    assert answer["echoCode"] == "0000"
    message = answer["echoMsg"]
    shown = {
        "serialNo": "123",
        "meterState": "2",
        "setUpTime": "2020-02-20",
        "beseNum": "1",
        "readingNum": "12",
        "userName": "测试 3",
        "address": "",
        "userType": "居民户",
        "valveState": "1",
        "sumUseGas": "11",
        "sumUseMoney": "11",
        "priceCode": "民用气价 1元",
        "lastReadingTime": "2020-02-22 00:00:00",
        "balance": "-11",
        "meterNo": "202002201332",
        "price": "1",
    }
    assert {key: message[key] for key in shown} == shown


USAGE = """
{
    "companyCode":"10001001",
     "userNo":"20200218",
    "factorNo":"0030",
    "startTime":"2020-01-01",
    "endTime":"2020-02-21",
    "serialNo":"0d2b0793862f4ef8b64649fd3c62f424"
}
"""


def test_4_10_daily_usage(live_server, travel):
    world = build_world(company="10001001", factor="0030")
    create_price(world, "民用气价 1元")
    register(world, meter_no="202002201332", user_no="20200218", price="民用气价 1元", deviceId="dev-1")
    for day, index in (("2020-01-11", "2"), ("2020-01-12", "6"), ("2020-02-12", "9"), ("2020-02-22", "20")):
        report(world, local(f"{day} 08:00:00"), index, "202002201332", "20200218")
    settle(through=date(2020, 2, 27), now=timezone.now())
    answer = post(live_server, world.cis, "1015", USAGE)
    entry = {"price": "1", "deviceId": "dev-1", "meterNo": "202002201332"}
    assert answer == {
        "echoCode": "0000",
        "echoMsg": {
            "serialNo": "0d2b0793862f4ef8b64649fd3c62f424",
            "gasData": [
                {"useDate": "2020-01-11", "useGas": "2", "useAmount": "2", **entry},
                {"useDate": "2020-01-12", "useGas": "4", "useAmount": "4", **entry},
                {"useDate": "2020-02-12", "useGas": "3", "useAmount": "3", **entry},
            ],
        },
    }


REPORT = """
{
    "serialNo":"8dc0fb2575ff4f37bccd63288dfb18a2",
    "userNo":"11368453",
    "deviceId":"f522a7db7b164d60aca67c355fa46fe6",
    "factorNo":"0013",
    "meterNo":"181932242531",
    "billingModel":"2",
    "readNum":"0.3",
    "addGas":"",
    "sumUseGas":"0",
    "sumUseAmount":"0",
     "readDate":"20200227",
    "readTime":"111615",
    "batteryCap":"6.14",
    "semaphore":"59.0%",
    "temperature":"",
    "standardTotalValue":"",
    "workTotalValue":"",
    "standardInstantValue":"",
    "workInstantValue":"",
    "pressureValue":"",
    "valveState":"2",
    "curPrice":"1",
    "meterBalance":"0",
    "companyCode":"10001212",
    "sdateTime":"2020-02-27"
}
"""


def test_4_11_report_of_a_meter(live_server, travel):
    world = build_world(company="10001212", factor="0013")
    create_price(world, "2.33元", "2.33")
    register(
        world,
        meter_no="181932242531",
        user_no="11368453",
        price="2.33元",
        billingModel="2",
        deviceId="f522a7db7b164d60aca67c355fa46fe6",
    )
    answer = post(live_server, world.headend, "2001", REPORT)
    assert answer.pop("rdateTime").startswith("20200228")
    assert answer == {
        "echoCode": "0000",
        "valvecontrol": "2",
        "userNo": "11368453",
        "deviceId": "f522a7db7b164d60aca67c355fa46fe6",
        "meterNo": "181932242531",
        "remainquantity": "",
        "factorNo": "0013",
        "currentprice": "2.33",
        "serialNo": "8dc0fb2575ff4f37bccd63288dfb18a2",
    }
    reading = Reading.objects.get()
    assert (reading.read_at, str(reading.index), reading.quality) == (local("2020-02-27 11:16:15"), "0.3000", "valid")
    assert (str(reading.battery_voltage), str(reading.signal_percent)) == ("6.1400", "59.0000")


def test_4_12_printed_as_2001_with_a_time_with_colons(live_server, travel):
    """The example under 4.12 is a 2001 body; its readTime is "12:17:08"."""
    world = build_world(company="10001212", factor="0013")
    create_price(world, "民用")
    register(
        world,
        meter_no="191926241615",
        user_no="11250529",
        price="民用",
        billingModel="2",
        deviceId="4f404b03c39c4a07b3ead4062d964f9d",
        sdateTime="20191101000000",
    )
    body = {
        **json.loads(REPORT),
        "serialNo": "0a06947697db44d7b5e6aa6ce00bac7d",
        "userNo": "11250529",
        "deviceId": "4f404b03c39c4a07b3ead4062d964f9d",
        "meterNo": "191926241615",
        "readNum": "0.7",
        "readDate": "20191121",
        "readTime": "12:17:08",
        "batteryCap": "6.36",
        "semaphore": "44.0%",
        "curPrice": "0",
        "sdateTime": "2019-11-21",
    }
    assert post(live_server, world.headend, "2001", json.dumps(body))["echoCode"] == "0000"
    assert Reading.objects.get().read_at == local("2019-11-21 12:17:08")
