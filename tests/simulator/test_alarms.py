import re
from collections import Counter

from simulator.headend_plan import HeadEndStatus
from tests.simulator.fake_platform import refusal
from tests.simulator.test_headend import taken, to_the_end

APPENDIX_TWO = [
    ("01", "通讯异常", "3"),
    ("02", "燃气泄漏", "3"),
    ("03", "干簧管坏", "3"),
    ("04", "阀门漏气", "3"),
    ("05", "阀门异常", "3"),
    ("06", "电池故障", "3"),
    ("07", "强磁干扰", "2"),
]


def test_an_alarm_carries_every_field():
    headend, posts = to_the_end(days=0, count=1, alarm_rate=1.0)
    (alarm,) = [post.message for post in posts if post.code == "2003"]
    assert alarm == {
        "serialNo": alarm["serialNo"],
        "userNo": "6003000000001",
        "deviceId": "",
        "factorNo": "0030",
        "meterNo": "003000000001",
        "alarmType": alarm["alarmType"],
        "alarmContent": alarm["alarmContent"],
        "alarmPriority": alarm["alarmPriority"],
        "companyCode": "10001001",
        "sdateTime": alarm["sdateTime"],
    }
    assert re.fullmatch(r"202611221016[0-9]{2}", alarm["sdateTime"])
    assert headend.snapshot() == HeadEndStatus(sent=1, accepted=1, backfilled=True, meters=4, alarms=1)


def alarms(**changes):
    headend, posts = to_the_end(days=0, count=100, alarm_rate=0.3, **changes)
    messages = [post.message for post in posts if post.code == "2003"]
    assert headend.status.alarms == len(messages)
    assert (headend.status.sent, headend.status.accepted) == (100, 100)
    return Counter((m["meterNo"], m["alarmType"], m["alarmContent"], m["alarmPriority"]) for m in messages)


def test_alarms_follow_the_seed_and_the_table():
    usual = alarms()
    assert 10 <= usual.total() <= 60
    assert {(kind, content, priority) for _, kind, content, priority in usual} <= set(APPENDIX_TWO)
    assert alarms() == usual
    assert alarms(seed=2) != usual


def test_an_alarm_is_sent_with_one_serial_until_it_is_taken():
    left = [503, refusal("表具不存在")]

    def answer(post):
        return left.pop() if left and post.code == "2003" else taken(post)

    headend, posts = to_the_end(answer, days=0, count=1, alarm_rate=1.0)
    assert len({post.raw for post in posts if post.code == "2003"}) == 1
    assert [post.code for post in posts].count("2003") == 3
    assert headend.snapshot() == HeadEndStatus(sent=1, accepted=1, backfilled=True, meters=4, alarms=1)
