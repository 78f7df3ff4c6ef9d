"""1015: the settled days of a user (R3, R10), key for key as the known client reads it."""

import pytest

from tests.readings.books import make_meter, make_price, read, settle_through
from tests.wire import next_serial
from tests.world import COMPANY, FACTOR, build_world

NUMBER, USER = "202002201332", "20200218"


@pytest.fixture
def meter(world):
    make_price(world)
    meter = make_meter(world, NUMBER, user_no=USER)
    for day, index in ((1, 10), (2, 10), (4, 60), (6, "400.1234")):
        read(meter, f"2025-03-{day:02} 12:00:00", index)
    settle_through("2025-03-10")
    return meter


def ask(world, **fields):
    body = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": USER}
    return world.cis.send("1015", **{**body, "startTime": "2025-03-01", "endTime": "2025-03-31", **fields})


def days(world, **fields):
    answer = ask(world, **fields)
    assert answer["echoCode"] == "0000", answer
    return [(row["useDate"], row["price"], row["useGas"], row["useAmount"]) for row in answer["echoMsg"]["gasData"]]


ALL = [
    ("2025-03-01", "1.4", "10", "14"),
    ("2025-03-02", "1.4", "0", "0"),
    ("2025-03-04", "1.4", "40", "56"),
    ("2025-03-04", "2.4", "10", "24"),
    ("2025-03-06", "2.4", "240", "576"),
    ("2025-03-06", "3.4", "100.1234", "340.4196"),
]


def test_the_answer_has_the_documented_keys_and_no_other_and_only_strings(world, meter):
    serial = next_serial()
    answer = ask(world, serialNo=serial, endTime="2025-03-01")
    assert answer == {
        "echoCode": "0000",
        "echoMsg": {
            "serialNo": serial,
            "gasData": [
                {
                    "useDate": "2025-03-01",
                    "price": "1.4",
                    "useGas": "10",
                    "useAmount": "14",
                    "deviceId": meter.device_id,
                    "meterNo": NUMBER,
                }
            ],
        },
    }


def test_a_day_that_crosses_a_tier_has_several_rows_oldest_day_and_lowest_tier_first(world, meter):
    assert days(world) == ALL


def test_the_order_stays_when_days_were_settled_again(world, meter):
    read(meter, "2025-03-03 12:00:00", 10)
    settle_through("2025-03-10")
    assert days(world) == [*ALL[:2], ("2025-03-03", "1.4", "0", "0"), *ALL[2:]]


@pytest.mark.parametrize(
    ("first", "last", "rows"),
    [
        ("2025-03-01", "2025-03-01", ALL[:1]),
        ("2025-03-02", "2025-03-04", ALL[1:4]),
        ("2025-03-03", "2025-03-03", []),
        ("2025-03-04", "2025-03-05", ALL[2:4]),
        ("2025-03-06", "2030-01-01", ALL[4:]),
        ("2020-01-01", "2025-02-28", []),
        ("20250304", "20250304", ALL[2:4]),
    ],
)
def test_both_ends_of_the_range_are_included(world, meter, first, last, rows):
    assert days(world, startTime=first, endTime=last) == rows


def test_an_end_before_the_start_is_refused(world, meter):
    answer = ask(world, startTime="2025-03-04", endTime="2025-03-03")
    assert answer == {"echoCode": "9999", "echoMsg": "endTime 不能早于 startTime"}


@pytest.mark.parametrize("name", ["startTime", "endTime", "userNo", "factorNo"])
def test_what_is_required_must_be_given(world, meter, name):
    for nothing in ("", None, "  "):
        assert ask(world, **{name: nothing}) == {"echoCode": "9999", "echoMsg": f"{name} 不能为空"}


@pytest.mark.parametrize("day", ["2025-02-30", "2025-13-01", "x"])
def test_a_date_that_is_none_is_refused(world, meter, day):
    assert ask(world, startTime=day) == {"echoCode": "9999", "echoMsg": "startTime 不是有效的日期"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"userNo": "nobody"}, "用户不存在"),
        ({"meterNo": "000000000001"}, "表具不存在"),
        ({"deviceId": "nothing"}, "表具不存在"),
        ({"userNo": "nobody", "meterNo": NUMBER}, "用户不存在"),
    ],
)
def test_all_that_is_given_must_point_to_the_same_meter(world, meter, fields, message):
    assert ask(world, **fields) == {"echoCode": "9999", "echoMsg": message}


def test_meter_and_device_may_be_given(world, meter):
    assert days(world, meterNo=f" {NUMBER} ", deviceId=meter.device_id) == ALL
    assert days(world, meterNo="", deviceId=None) == ALL


def test_a_user_of_another_company_is_nobody(world, meter):
    other = build_world(company="20002", factor="0099")
    make_price(other)
    theirs = make_meter(other, "000000000002", user_no="theirs")
    read(theirs, "2025-03-01 12:00:00", 5)
    settle_through("2025-03-10")
    assert ask(world, userNo="theirs") == {"echoCode": "9999", "echoMsg": "用户不存在"}
    assert ask(world, userNo="theirs", factorNo="0099") == {"echoCode": "9999", "echoMsg": "用户不存在"}


def test_days_that_are_not_settled_are_not_there(world, meter):
    read(meter, "2025-03-15 12:00:00", 401)
    assert days(world) == ALL
