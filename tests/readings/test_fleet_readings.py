"""1013: the latest reading of every meter (R3, R8, R10), key for key as the known client reads it."""

import json

import pytest

from meters.models import Meter, MeterState
from tests.readings.books import make_meter, make_price, read, settle_through
from tests.world import COMPANY, FACTOR, build_world

KEYS = {
    *("userArchivesNum", "valveState", "gasMeterNo", "readNum", "readDate", "meterBalance", "sumGas", "deviceId"),
    "sumMoney",
}
NUMBER = "188011110128"


@pytest.fixture
def meter(world):
    make_price(world)
    return make_meter(world, NUMBER, user_no="0912030022", used_before=0)


def ask(world, **fields):
    answer = world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR, **fields)
    assert answer["echoCode"] == "0000", answer
    return answer["echoMsg"]["readingData"]


def one(world, **fields):
    data = ask(world, **fields)
    assert (data["total"], len(data["data"])) == ("1", 1)
    return data["data"][0]


def test_the_answer_has_the_documented_keys_and_no_other_and_only_strings(world, meter):
    read(meter, "2025-03-05 17:13:24", "60.5000", valve="open")
    settle_through("2025-03-05")
    body = {"serialNo": "950c892a6b384d3890af48aa69e37a98", "companyCode": COMPANY, "factorNo": FACTOR}
    response = world.cis.post("1013", body)
    assert response["Content-Type"] == "application/json;charset=utf-8"
    assert json.loads(b"".join(response.streaming_content)) == {
        "echoCode": "0000",
        "echoMsg": {
            "readingData": {
                "data": [
                    {
                        "userArchivesNum": "0912030022",
                        "deviceId": meter.device_id,
                        "gasMeterNo": NUMBER,
                        "readNum": "60.5",
                        "meterBalance": "-95.2",
                        "readDate": "2025-03-05 17:13:24",
                        "valveState": "0",
                        "sumGas": "60.5",
                        "sumMoney": "95.2",
                    }
                ],
                "total": "1",
            },
            "serialNo": "950c892a6b384d3890af48aa69e37a98",
        },
    }


def test_no_meter_is_an_empty_list(world):
    assert ask(world) == {"data": [], "total": "0"}
    assert ask(world, readingDate="2025-03-05") == {"data": [], "total": "0"}


def test_a_meter_without_a_valid_reading_is_left_out(world, meter):
    read(meter, "2025-02-28 12:00:00", 0)
    assert ask(world)["total"] == "0"
    assert ask(world, readingDate="2025-03-05")["total"] == "0"


@pytest.mark.parametrize(("valve", "code"), [("open", "0"), ("closed", "1"), ("unknown", "2")])
def test_valve_codes(world, meter, valve, code):
    read(meter, "2025-03-05 12:00:00", 1, valve=valve)
    assert one(world)["valveState"] == code
    assert one(world, readingDate="2025-03-05")["valveState"] == code


def test_flagged_readings_are_not_shown(world, meter):
    read(meter, "2025-03-05 12:00:00", 10)
    read(meter, "2025-03-05 12:00:00", 11)
    read(meter, "2025-03-06 12:00:00", 9)
    read(meter, "2025-03-07 12:00:00", 900_000)
    for asked in ({}, {"readingDate": "2025-03-08"}):
        entry = one(world, **asked)
        assert (entry["readNum"], entry["readDate"]) == ("10", "2025-03-05 12:00:00")


@pytest.mark.parametrize(
    ("day", "index"),
    [
        ("2025-03-04", None),
        ("2025-03-05", "2"),
        ("2025-03-06", "2"),
        ("2025-03-07", "3"),
        ("9998-12-31", "3"),
        ("1970-01-01", None),
    ],
)
def test_reading_date_asks_for_the_latest_at_or_before_the_end_of_that_day(world, meter, day, index):
    read(meter, "2025-03-05 00:00:00", 1)
    read(meter, "2025-03-05 23:59:59", 2)
    read(meter, "2025-03-07 00:00:00", 3)
    assert [entry["readNum"] for entry in ask(world, readingDate=day)["data"]] == ([index] if index else [])


def test_volume_and_amount_are_those_of_the_day_asked_for(world, meter):
    for day, index in ((5, 40), (6, 60), (8, 400)):
        read(meter, f"2025-03-{day:02} 12:00:00", index)
    settle_through("2025-03-10")
    figures = {
        day: (entry["readNum"], entry["sumGas"], entry["sumMoney"])
        for day in ("2025-03-05", "2025-03-06", "2025-03-07", "2025-03-08", "2025-03-09")
        for entry in [one(world, readingDate=day)]
    }
    assert figures == {
        "2025-03-05": ("40", "40", "56"),
        "2025-03-06": ("60", "60", "94"),
        "2025-03-07": ("60", "60", "94"),
        "2025-03-08": ("400", "400", "1010"),
        "2025-03-09": ("400", "400", "1010"),
    }
    latest = one(world)
    assert (latest["sumGas"], latest["sumMoney"], latest["meterBalance"]) == ("400", "1010", "-1010")


def test_what_the_meter_keeps_is_shown_as_it_reported(world):
    make_price(world)
    meter = make_meter(world, NUMBER, billing_model="1")
    figures = {"reported_balance": "20.6000", "reported_volume": "12.3400", "reported_amount": "0.5"}
    read(meter, "2025-03-05 12:00:00", 10, telemetry={**figures})
    read(meter, "2025-03-06 12:00:00", 11, telemetry={**figures, "reported_balance": "-19"})
    settle_through("2025-03-06")
    latest, earlier = one(world), one(world, readingDate="2025-03-05")
    assert (latest["meterBalance"], latest["sumGas"], latest["sumMoney"]) == ("-19", "12.34", "0.5")
    assert (earlier["meterBalance"], earlier["sumGas"], earlier["sumMoney"]) == ("20.6", "12.34", "0.5")


def test_what_the_cis_keeps_is_shown_as_it_answered(world):
    make_price(world)
    meter = make_meter(world, NUMBER, billing_model="2")
    read(meter, "2025-03-05 12:00:00", 10)
    assert one(world)["meterBalance"] == "0"
    MeterState.objects.filter(meter=meter).update(cis_remaining="199.3010")
    assert one(world)["meterBalance"] == "199.301"
    assert one(world)["sumGas"] == "0"


@pytest.mark.parametrize("meter_no", [NUMBER, f" {NUMBER}", f"{NUMBER}\t ", int(NUMBER)])
def test_one_meter_may_be_asked_for_with_blanks_around_its_number(world, meter, meter_no):
    other = make_meter(world, "000000000002")
    for one_meter in (meter, other):
        read(one_meter, "2025-03-05 12:00:00", 10)
    assert one(world, meterNo=meter_no)["gasMeterNo"] == NUMBER
    assert one(world, meterNo=meter_no, readingDate="2025-03-05")["gasMeterNo"] == NUMBER
    assert ask(world, meterNo="", readingDate="")["total"] == "2"


@pytest.mark.parametrize("meter_no", ["000000000009", "1", "'; --"])
def test_an_unknown_meter_is_refused(world, meter, meter_no):
    read(meter, "2025-03-05 12:00:00", 10)
    for asked in ({}, {"readingDate": "2025-03-05"}):
        answer = world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR, meterNo=meter_no, **asked)
        assert answer == {"echoCode": "9999", "echoMsg": "表具不存在"}


@pytest.mark.parametrize("day", ["2025-02-30", "yesterday", "2025/03/05", "0"])
def test_a_date_that_is_none_is_refused(world, meter, day):
    answer = world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR, readingDate=day)
    assert answer == {"echoCode": "9999", "echoMsg": "readingDate 不是有效的日期"}


def test_meters_of_others_are_invisible(world, meter):
    """Another company of the same manufacturer, another manufacturer of the same company."""
    other = build_world(company="20002", factor="0099")
    world.cis_peer.companies.set([world.company])
    make_price(other)
    theirs = make_meter(other, "000000000002")
    for one_meter in (meter, theirs):
        read(one_meter, "2025-03-05 12:00:00", 10)
    Meter.objects.filter(pk=theirs.pk).update(manufacturer=world.manufacturer)
    assert one(world)["gasMeterNo"] == NUMBER
    Meter.objects.filter(pk=theirs.pk).update(manufacturer=other.manufacturer, company=world.company)
    assert one(world)["gasMeterNo"] == NUMBER
    for number in ("000000000002",):
        answer = world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR, meterNo=number)
        assert answer == {"echoCode": "9999", "echoMsg": "表具不存在"}


def test_a_meter_that_has_ended_is_left_out(world, meter):
    read(meter, "2025-03-05 12:00:00", 10)
    body = {"userNo": "0912030022", "meterNo": NUMBER, "initNum": "10", "reason": "拆表", "sdateTime": "2025-03-06"}
    assert world.cis.send("1002", companyCode=COMPANY, factorNo=FACTOR, **body)["echoCode"] == "0000"
    assert ask(world)["total"] == "0"
    assert ask(world, readingDate="2025-03-05")["total"] == "0"


@pytest.mark.parametrize(
    "text",
    ['a"b\\c', "\\", "\\.", "测试 3号", "a\tb\nc\rd", "\x01\x02\x1f\x7f", "{}[],:", "é\u2028\u2029😀", "' OR '1'='1"],
)
def test_every_text_survives_the_streaming(world, text):
    make_price(world)
    meter = make_meter(world, NUMBER, user_no=text[:17])
    Meter.objects.filter(pk=meter.pk).update(device_id=text)
    make_meter(world, "000000000002", user_no="plain")
    read(meter, "2025-03-05 12:00:00", 1)
    read(Meter.objects.get(user_no="plain"), "2025-03-05 12:00:00", 2)
    entries = {entry["gasMeterNo"]: entry for entry in ask(world)["data"]}
    assert (entries[NUMBER]["deviceId"], entries[NUMBER]["userArchivesNum"]) == (text, text[:17])
    assert set(entries["000000000002"]) == KEYS
    assert ask(world)["total"] == "2"


def test_a_large_fleet_comes_in_many_pieces_and_is_counted(world, monkeypatch):
    monkeypatch.setattr("readings.fleet.PIECE_BYTES", 300)
    make_price(world)
    for number in range(7):
        read(make_meter(world, f"{number:012d}"), "2025-03-05 12:00:00", number)
    response = world.cis.post("1013", {"serialNo": "s-many", "companyCode": COMPANY, "factorNo": FACTOR})
    pieces = list(response.streaming_content)
    assert len(pieces) > 3
    data = json.loads(b"".join(pieces))["echoMsg"]["readingData"]
    assert (data["total"], sorted(entry["readNum"] for entry in data["data"])) == ("7", list("0123456"))
