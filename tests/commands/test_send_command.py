"""1004: accepted, refused, sent on to the head-end, credited (R12, R13)."""

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from commands.models import Command
from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter
from protocol.delivery import deliver_due
from protocol.models import OutboundMessage
from tests.commands.conftest import METER, Desk, make_desk
from tests.protocol.receiver import echo, receiving, success
from tests.world import COMPANY, FACTOR, build_world


def test_a_valve_command_is_queued_and_answered(desk):
    answer = desk.valve("1", serialNo="20190211114046")
    assert sorted(answer["echoMsg"]) == ["deviceId", "rdateTime", "serialNo"]
    assert answer["echoMsg"]["deviceId"] == desk.meter.device_id
    command = Command.objects.get()
    assert (command.kind, command.payload, command.state) == ("03", {"valveSet": "1"}, "queued")
    assert (command.serial_no, command.peer, command.origin) == ("20190211114046", desk.world.cis_peer, "cis")
    assert (command.expires_at - command.queued_at).total_seconds() == 72 * 3600
    assert desk.story() == [("queued", "queued")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"paramNo": "04"}, "paramNo 的值 04 无效"),
        ({"paramContext": ""}, "paramContext 不能为空"),
        ({"paramContext": {"total": "1"}}, "paramContext 缺少 data"),
        ({"paramContext": {"data": {"valveSet": "2"}}}, "valveSet 的值 2 无效"),
        ({"paramContext": {"data": {}}}, "valveSet 不能为空"),
        ({"userNo": "nobody"}, "用户不存在"),
        ({"meterNo": "000000000000"}, "表具不存在"),
        ({"sdateTime": ""}, "sdateTime 不能为空"),
    ],
)
def test_a_command_that_is_wrong_is_refused_and_nothing_is_stored(desk, fields, message):
    assert desk.valve(**fields) == {"echoCode": "9999", "echoMsg": message}
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rechargeAmount": "0", "rechargeStream": "s"}, "rechargeAmount 必须大于 0"),
        ({"rechargeAmount": "-5", "rechargeStream": "s"}, "rechargeAmount 不能为负数"),
        ({"rechargeAmount": "1.00001", "rechargeStream": "s"}, "rechargeAmount 最多保留 4 位小数"),
        ({"rechargeAmount": "5"}, "rechargeStream 不能为空"),
        ({"rechargeAmount": "5", "rechargeStream": "s", "rechargeDate": "soon"}, "rechargeDate 不是有效的日期时间"),
    ],
)
def test_a_recharge_that_is_wrong_is_refused_and_nothing_is_credited(desk, data, message):
    assert desk.send("05", data) == {"echoCode": "9999", "echoMsg": message}
    assert not Command.objects.exists()
    assert not AccountEntry.objects.exists()


def test_billing_model_3_is_credited_at_once_and_the_cis_is_told(desk):
    assert desk.recharge("100", serialNo="s-1")["echoCode"] == "0000"
    assert desk.states() == ["succeeded"]
    assert Account.objects.get().balance == 100
    [report] = desk.outbound("2002")
    expected = {"sendSerialNo": "s-1", "paramNo": "05", "excuteState": "1", "userNo": METER, "companyCode": COMPANY}
    assert {key: report[key] for key in expected} == expected
    assert set(report) == {
        *("serialNo", "userNo", "deviceId", "factorNo", "meterNo"),
        *("sendSerialNo", "paramNo", "excuteState", "companyCode", "sdateTime"),
    }


def test_the_same_stream_under_another_serial_is_refused_and_changes_nothing(desk):
    desk.recharge("100", "r1")
    assert desk.recharge("100", "r1") == {"echoCode": "9999", "echoMsg": "充值流水 r1 重复"}
    assert desk.recharge("7", "r1") == {"echoCode": "9999", "echoMsg": "充值流水 r1 重复"}
    assert Account.objects.get().balance == 100
    assert Command.objects.count() == 1
    assert len(desk.outbound("2002")) == 1


def test_the_document_spells_the_recharge_date_both_ways(desk):
    data = {"rechargeAmount": "1", "rechargeStream": "s", "recharghDate": "2018-10-19 09:02:41"}
    assert desk.send("05", data)["echoCode"] == "0000"
    assert Command.objects.get().payload["rechargeDate"] == "2018-10-19 09:02:41"


@pytest.mark.parametrize("model", ["1", "2"])
def test_without_a_headend_a_recharge_of_other_models_reaches_nobody(priced_world, model):
    desk = make_desk(priced_world, billingModel=model)
    assert desk.recharge() == {"echoCode": "9999", "echoMsg": "该厂商未配置采集前端，无法下发充值"}
    assert not Command.objects.exists()


@pytest.mark.parametrize("model", ["1", "2"])
def test_a_recharge_of_other_models_travels_to_the_headend_once_per_stream(headend, priced_world, model):
    desk = make_desk(priced_world, billingModel=model)
    assert desk.recharge("50", "r1")["echoCode"] == "0000"
    assert desk.recharge("50", "r1")["echoMsg"] == "充值流水 r1 重复"
    [body] = desk.outbound("1004")
    assert body["paramNo"] == "05"
    assert body["paramContext"]["data"] == {
        "rechargeAmount": "50",
        "rechargeStream": "r1",
        "rechargeCount": "1",
        "rechargeDate": "2026-01-06 08:09:41",
    }
    assert desk.states() == ["sent"]
    assert desk.result(body["serialNo"], "1", "05")["echoCode"] == "0000"
    assert desk.states() == ["succeeded"]
    assert (desk.meter.state.recharged, desk.meter.state.recharge_count) == (Decimal(50), 1)
    assert Account.objects.get().credited == 0


@pytest.mark.django_db(transaction=True)
def test_a_command_goes_to_the_headend_with_its_own_credentials():
    with receiving() as receiver:
        world = build_world()
        world.headend_peer.url = receiver.url
        world.headend_peer.save()
        world.create_price()
        desk = make_desk(world)
        OutboundMessage.objects.all().delete()
        desk.valve("1", serialNo="cis-serial")
        deliver_due()
    [request] = [request for request in receiver.received if request.path.endswith("1004")]
    command = Command.objects.get()
    assert request.body["serialNo"] == command.message.serial_no != "cis-serial"
    assert request.body["paramContext"] == {"total": "1", "data": {"valveSet": "1"}}
    assert set(request.body) == {
        *("serialNo", "userNo", "deviceId", "factorNo", "meterNo"),
        *("paramNo", "paramContext", "companyCode", "sdateTime"),
    }
    assert command.state == "sent"
    assert desk.story() == [("queued", "queued"), ("queued", "sent"), ("sent", "sent")]


@pytest.mark.django_db(transaction=True)
def test_a_refusal_of_the_headend_ends_the_command_and_frees_the_next():
    with receiving() as receiver:
        world = build_world()
        world.headend_peer.url = receiver.url
        world.headend_peer.save()
        world.create_price()
        desk = make_desk(world)
        OutboundMessage.objects.all().delete()
        desk.valve("1", serialNo="first")
        desk.valve("1", serialNo="second")
        assert desk.states() == ["sent", "queued"]
        refused = Command.objects.get(serial_no="first").message.serial_no
        receiver.answer = lambda request: (
            echo("9999")(request) if request.body["serialNo"] == refused else success(request)
        )
        deliver_due()
    assert desk.states() == ["failed", "sent"]
    [report] = desk.outbound("2002")
    assert (report["sendSerialNo"], report["excuteState"]) == ("first", "2")


def test_one_is_in_flight_and_the_first_goes_first(headend, priced_world):
    desk = make_desk(priced_world)
    for number in range(3):
        desk.valve("1", serialNo=f"s{number}")
    assert desk.states() == ["sent", "queued", "queued"]
    for number in range(3):
        desk.result(Command.objects.get(serial_no=f"s{number}").message.serial_no)
    assert desk.states() == ["succeeded"] * 3
    assert [report["sendSerialNo"] for report in desk.outbound("2002")] == ["s0", "s1", "s2"]


def test_a_newer_wish_replaces_a_waiting_opposite_one(headend, priced_world):
    desk = make_desk(priced_world)
    for code in ("0", "1", "1", "0"):
        desk.valve(code)
    assert desk.states() == ["sent", "cancelled", "cancelled", "queued"]
    assert [report["excuteState"] for report in desk.outbound("2002")] == ["2", "2"]


def test_a_meter_that_ends_takes_its_waiting_commands_with_it(desk):
    desk.valve("1", serialNo="waiting")
    answer = desk.world.cis.send("1002", **desk.names(), initNum="5", reason="拆表", sdateTime="2026-01-01")
    assert answer["echoCode"] == "0000"
    assert desk.states() == ["cancelled"]
    [report] = desk.outbound("2002")
    assert (report["sendSerialNo"], report["excuteState"]) == ("waiting", "2")


def test_a_replaced_meter_takes_its_waiting_commands_with_it(desk):
    desk.valve("1", serialNo="waiting")
    new = {"newMeterType": "441", "newMeterNo": "188011110199", "oldNum": "5", "newNum": "0"}
    assert desk.world.cis.send("1009", **desk.names(), **new)["echoCode"] == "0000"
    assert desk.states() == ["cancelled"]


@pytest.mark.django_db(transaction=True)
def test_one_stream_under_16_serials_from_16_connections_is_credited_once():
    world = build_world()
    world.create_price()
    desk = make_desk(world)

    def pay(_):
        try:
            return desk.recharge("100", "r1")["echoCode"]
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        codes = list(threads.map(pay, range(16)))
    assert sorted(codes) == ["0000"] + ["9999"] * 15
    assert Account.objects.get().balance == 100
    assert Command.objects.count() == 1
    assert AccountEntry.objects.count() == 1


def test_staff_and_platform_use_the_same_account(desk):
    recharge(desk.meter, amount=Decimal(5), stream="desk", now=timezone.now())
    assert desk.recharge("5", "desk") == {"echoCode": "9999", "echoMsg": "充值流水 desk 重复"}
    assert not Command.objects.exists()


EXAMPLE_VALVE = """
{
    "serialNo":"20190211114046",
    "userNo":"201910281500",
    "deviceId":"",
    "factorNo":"0014",
    "meterNo":"201910281500",
    "paramNo":"03",
     "paramContext":{
        "total":1,
        "data":{
            "valveSet":1
        }
    },
    "companyCode":"10001058",
    "sdateTime":"20190822103948"
}
"""
EXAMPLE_RECHARGE = """
{
    "serialNo":"20181006085302",
    "userNo":"201911291106",
    "factorNo":"0024",
    "meterNo":"201911291106",
    "paramNo":"05",
    "paramContext":{
        "total":1,
        "data":{
            "rechargeAmount":"100",
            "rechargeCount":"1",
            "rechargeDate":"2018-11-06 08:09:41",
            "rechargeStream":"12345678"
        }
    },
    "companyCode":"10001058",
    "sdateTime":"201810060853"
}
"""
EXAMPLE_CANCEL = """
{
    "userNo":"20191106152900",
    "meterNo":"181929419764",
    "factorNo":"0017",
    "sendSerialNo":"219311112",
    "deviceId":"1bdf3aab3e1a4fa9b3bd46f1f72e9bb6",
    "serialNo":"e88085b131554af08d17145ffe7d4883"
}
"""


def example_world(monkeypatch, factor, text):
    """A world for one of the specification's examples (4.3, 4.4): its manufacturer and its meter."""
    body = json.loads(text)
    monkeypatch.setattr("tests.world.FACTOR", factor)
    world = build_world(factor=factor)
    world.create_price()
    fields = {"userNo": body["userNo"], "deviceId": body.get("deviceId", "")}
    assert world.register(body["meterNo"], **fields)["echoCode"] == "0000"
    return world, body


@pytest.mark.django_db
@pytest.mark.parametrize(("factor", "text"), [("0014", EXAMPLE_VALVE), ("0024", EXAMPLE_RECHARGE)])
def test_4_3_the_examples_of_sending(monkeypatch, factor, text):
    world, body = example_world(monkeypatch, factor, text)
    missing = json.loads(world.cis.post("1004", text.replace(body["userNo"], "1").encode()).content)
    assert missing == {"echoCode": "9999", "echoMsg": "用户不存在"}
    answer = json.loads(world.cis.post("1004", text.encode()).content)
    assert answer["echoCode"] == "0000"
    assert answer["echoMsg"]["serialNo"] == body["serialNo"]
    assert Command.objects.get().serial_no == body["serialNo"]


@pytest.mark.django_db
def test_4_4_the_example_of_cancelling(monkeypatch):
    world, body = example_world(monkeypatch, "0017", EXAMPLE_CANCEL)
    unknown = json.loads(world.cis.post("1005", EXAMPLE_CANCEL.encode()).content)
    assert unknown == {"echoCode": "9999", "echoMsg": "指令不存在"}
    desk = Desk(world)
    names = {"userNo": body["userNo"], "meterNo": body["meterNo"], "factorNo": "0017"}
    assert desk.valve(serialNo="219311112", **names)["echoCode"] == "0000"
    answer = json.loads(world.cis.post("1005", EXAMPLE_CANCEL.encode()).content)
    assert answer["echoCode"] == "0000"
    assert answer["echoMsg"]["serialNo"] == "e88085b131554af08d17145ffe7d4883"
    assert Command.objects.get().state == "cancelled"
    assert Meter.objects.get().manufacturer.factor_no != FACTOR
