"""2003 from a head-end: taken or refused, counted, and told to the CIS."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from alarms.models import Alarm, AlarmOccurrence
from alarms.services import clear
from meters.models import Meter
from protocol.models import InboundMessage, OutboundMessage
from protocol.parties import create_manufacturer, create_peer
from tests.alarms.told import METER, TAKEN, ago, alarm, alarms, nothing_kept, told
from tests.wire import next_serial
from tests.world import COMPANY, FACTOR, build_world, local

# As printed in the specification, 4.13.
EXAMPLE = """
{
    "serialNo":"0f8a1f70b91b42aa8685b0b3c320c11a19",
    "userNo":"090909123123",
    "deviceId":"23343239825f44be8d539ec920704d00",
     "factorNo":"0018",
    "meterNo":"090909123123",
    "alarmType":"05",
    "alarmContent":"阀门直通",
    "alarmPriority":"3",
    "companyCode":"10001058",
    "sdateTime":"2019-11-21 16:32:50"
}
"""


@pytest.mark.django_db
def test_4_13_as_printed():
    with time_machine.travel(local("2019-11-21 16:33:00"), tick=True):
        world = build_world(company="10001058", factor="0018", cis_url="http://127.0.0.1:9/")
        price = {"priceProperty": "1", "priceType": "1", "priceDetail": {"priceLength": "1", "price1": "1"}}
        parties = {"companyCode": "10001058", "factorNo": "0018", "priceCode": "民用"}
        assert world.cis.send("1007", **parties, **price)["echoCode"] == "0000"
        meter = {"meterNo": "090909123123", "userNo": "090909123123", "deviceId": "23343239825f44be8d539ec920704d00"}
        life = {"meterType": "441", "initNum": "0", "billingModel": "3", "payModel": "1", "sdateTime": "2019-11-01"}
        assert world.cis.send("1001", **parties, **meter, **life)["echoCode"] == "0000"
        response = world.headend.post("2003", EXAMPLE.encode())
    assert response.status_code == 200
    assert response.content.decode() == '{"echoCode":"0000","echoMsg":"告警上报成功"}'
    kept = Alarm.objects.get()
    assert (kept.type, kept.content, kept.priority, kept.state) == ("05", "阀门直通", 3, "open")
    assert (kept.first_at, kept.last_at, kept.by_headend) == (*[local("2019-11-21 16:32:50")] * 2, True)
    [body] = told()
    serial_no = body.pop("serialNo")
    assert len(serial_no) == 32
    assert serial_no != json.loads(EXAMPLE)["serialNo"]
    printed = {key: value for key, value in json.loads(EXAMPLE).items() if key != "serialNo"}
    assert body == {**printed, "sdateTime": "20191121163250"}


def test_the_cis_gets_key_for_key_the_table(world, meter):
    moment = ago(hours=2)
    assert alarm(world, moment, alarmContent=" 磁场 <1> ", alarmType="07", alarmPriority=1, deviceId="") == TAKEN
    message = OutboundMessage.objects.get(code="2003")
    assert (message.peer, message.lane) == (world.cis_peer, meter.pk)
    body = json.loads(message.body)
    assert body == {
        "serialNo": message.serial_no,
        "userNo": METER,
        "deviceId": meter.device_id,
        "factorNo": FACTOR,
        "meterNo": METER,
        "alarmType": "07",
        "alarmContent": "磁场 <1>",
        "alarmPriority": "1",
        "companyCode": COMPANY,
        "sdateTime": timezone.localtime(moment).strftime("%Y%m%d%H%M%S"),
    }


def test_every_cis_of_the_company_is_told_of_every_occurrence(world, meter):
    create_peer(kind="cis", app_code="second", app_secret="s", companies=[COMPANY], url="http://127.0.0.1:9/2")
    create_peer(kind="cis", app_code="silent", app_secret="s", companies=[COMPANY])
    create_manufacturer(factor_no="0099", name="另一家")
    create_peer(
        kind="cis",
        app_code="other",
        app_secret="s",
        companies=[COMPANY],
        manufacturers=["0099"],
        url="http://127.0.0.1:9/3",
    )
    for content in ("一", "二"):
        assert alarm(world, alarmContent=content) == TAKEN
    sent = OutboundMessage.objects.filter(code="2003").order_by("id")
    assert sorted(message.peer.app_code for message in sent) == ["cis-10001058"] * 2 + ["second"] * 2
    assert [body["alarmContent"] for body in told()] == ["一", "一", "二", "二"]


def test_a_repeat_counts_and_the_alarm_shows_the_latest(world, meter):
    first, second, late = ago(hours=3), ago(hours=2), ago(hours=5)
    alarm(world, first, alarmContent="一", alarmPriority="3")
    alarm(world, second, alarmContent="二", alarmPriority="1")
    alarm(world, late, alarmContent="迟到", alarmPriority="2")
    kept = Alarm.objects.get()
    assert (kept.occurrences, kept.first_at, kept.last_at) == (3, late, second)
    assert (kept.content, kept.priority, kept.priority_differs) == ("二", 1, True)
    history = AlarmOccurrence.objects.order_by("id").values_list("at", "content", "priority", "source")
    assert list(history) == [
        (first, "一", 3, "headend"),
        (second, "二", 1, "headend"),
        (late, "迟到", 2, "headend"),
    ]


def test_another_type_another_meter_and_one_after_the_clearing_are_alarms_of_their_own(world, meter):
    world.register("188011110129")
    alarm(world)
    alarm(world, alarmType="02")
    alarm(world, meterNo="188011110129", userNo="188011110129")
    clear(Alarm.objects.get(meter=meter, type="05"), by=None, because="好了", now=timezone.now())
    alarm(world)
    assert alarms() == [("05", "cleared", 1), ("02", "open", 1), ("05", "open", 1), ("05", "open", 1)]


@pytest.mark.parametrize("kind", ["01", "02", "03", "04", "05", "06", "07"])
@pytest.mark.parametrize("priority", [1, 2, 3])
def test_a_priority_other_than_the_appendix_is_kept_and_flagged(world, meter, kind, priority):
    assert alarm(world, alarmType=kind, alarmPriority=str(priority)) == TAKEN
    kept = Alarm.objects.get()
    assert (kept.priority, kept.priority_differs) == (priority, priority != (2 if kind == "07" else 3))


def test_the_same_serial_again_is_answered_again_and_counted_once(world, meter):
    message = {"serialNo": next_serial(), "userNo": METER, "meterNo": METER, "companyCode": COMPANY}
    message |= {"factorNo": FACTOR, "alarmType": "02", "alarmContent": "漏", "alarmPriority": "3"}
    message |= {"sdateTime": "2025-03-01 08:00:00"}
    answers = [json.loads(world.headend.post("2003", message).content) for _ in range(2)]
    assert answers == [TAKEN, TAKEN]
    assert alarms() == [("02", "open", 1)]
    assert len(told()) == 1


def test_ten_minutes_ahead_are_tolerated(world, meter):
    assert alarm(world, ago(minutes=-9)) == TAKEN


REFUSED = [
    ({"alarmType": None}, "alarmType 不能为空"),
    ({"alarmType": ""}, "alarmType 不能为空"),
    ({"alarmType": "08"}, "alarmType 的值 08 无效"),
    ({"alarmType": "5"}, "alarmType 的值 5 无效"),
    ({"alarmContent": None}, "alarmContent 不能为空"),
    ({"alarmContent": "  "}, "alarmContent 不能为空"),
    ({"alarmContent": "字" * 256}, "alarmContent 长度不能超过 255"),
    ({"alarmContent": ["漏"]}, "alarmContent 必须是字符串或数字"),
    ({"alarmPriority": None}, "alarmPriority 不能为空"),
    ({"alarmPriority": "0"}, "alarmPriority 的值 0 无效"),
    ({"alarmPriority": "4"}, "alarmPriority 的值 4 无效"),
    ({"sdateTime": None}, "sdateTime 不能为空"),
    ({"sdateTime": "昨天"}, "sdateTime 不是有效的日期时间"),
    ({"userNo": None}, "userNo 不能为空"),
    ({"userNo": "1" * 18}, "userNo 长度不能超过 17"),
    ({"meterNo": None}, "meterNo 不能为空"),
    ({"userNo": "nobody"}, "用户不存在"),
    ({"meterNo": "188011110199"}, "表具不存在"),
    ({"deviceId": "another"}, "表具不存在"),
    ({"companyCode": "1"}, "公司编码 1 不存在"),
]


@pytest.mark.parametrize(("fields", "text"), REFUSED)
def test_a_refused_alarm_leaves_nothing_behind(world, meter, fields, text):
    assert alarm(world, **fields) == {"echoCode": "9999", "echoMsg": text}
    assert nothing_kept()
    assert not InboundMessage.objects.get(code="2003").succeeded


def test_an_alarm_of_the_future_is_refused(world, meter):
    refused = {"echoCode": "9999", "echoMsg": "sdateTime 不能晚于当前时间"}
    assert alarm(world, timezone.now() + timedelta(minutes=11)) == refused
    assert nothing_kept()


def test_content_of_255_characters_is_taken(world, meter):
    assert alarm(world, alarmContent="字" * 255) == TAKEN


def test_a_headend_cannot_speak_of_another_manufacturers_meter(world, meter):
    create_manufacturer(factor_no="0099", name="另一家")
    assert alarm(world, factorNo="0099") == {"echoCode": "0404", "echoMsg": "厂商编码(factorNo)错误"}
    create_peer(kind="headend", app_code="he-0099", app_secret="headend-secret", manufacturers=["0099"])
    world.headend.app_code = "he-0099"
    assert alarm(world) == {"echoCode": "0404", "echoMsg": "厂商编码(factorNo)错误"}
    assert alarm(world, factorNo="0099") == {"echoCode": "9999", "echoMsg": "用户不存在"}
    assert nothing_kept()


def test_a_cis_may_not_send_one(world, meter):
    assert world.cis.send("2003", factorNo=FACTOR)["echoCode"] == "0103"
    assert nothing_kept()


def test_a_meter_that_has_ended_is_unknown(world, meter):
    Meter.objects.filter(pk=meter.pk).update(status="ended", ended_at=timezone.now())
    assert alarm(world) == {"echoCode": "9999", "echoMsg": "用户不存在"}
    assert nothing_kept()
