"""What is read leniently, and what is refused (R2, R3, R6)."""

import json

import pytest
from django.test import Client

from meters.models import Meter
from pricing.models import Price
from protocol.paths import message_path
from tests.wire import next_serial
from tests.world import COMPANY, FACTOR, PRICE


def content(response):
    return json.loads(response.content)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "报文不是有效的 JSON"),
        (b"{", "报文不是有效的 JSON"),
        (b'{"a": 1} x', "报文不是有效的 JSON"),
        ('{"serialNo": "表具"}'.encode("gb18030"), "报文不是 UTF-8 编码"),
        (b"[1]", "报文必须是 JSON 对象"),
        (b'"text"', "报文必须是 JSON 对象"),
        (b"null", "报文必须是 JSON 对象"),
        (b'{"serialNo": NaN}', "报文含有无效的数字 NaN"),
        (b'{"serialNo": -Infinity}', "报文含有无效的数字 -Infinity"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "报文嵌套过深"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "报文嵌套过深"),
    ],
)
def test_a_body_that_is_no_message_answers_9999(world, body, reason):
    response = world.cis.post("1007", body)
    assert response.status_code == 200
    assert content(response) == {"echoCode": "9999", "echoMsg": reason}


def test_a_body_that_is_too_large_answers_9999(world, settings):
    settings.MAX_BODY_BYTES = 1000
    body = b'{"serialNo": "1", "x": "' + b"x" * 1000 + b'"}'
    assert content(world.cis.post("1007", body)) == {"echoCode": "9999", "echoMsg": "报文过大"}
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 500
    assert content(world.cis.post("1007", body)) == {"echoCode": "9999", "echoMsg": "报文过大"}


def test_numbers_texts_blanks_nulls_and_unknown_keys(priced_world):
    answer = priced_world.register(
        userNo=188011110128,
        billingModel=3,
        payModel=" 1 ",
        initNum=12.5,
        overdraft=None,
        initCycle="",
        deviceId="",
        surprise={"deep": [1]},
    )
    assert answer["echoCode"] == "0000"
    meter = Meter.objects.get()
    assert (meter.user_no, str(meter.initial_index), meter.overdraft) == ("188011110128", "12.5000", 0)


def test_a_number_keeps_the_digits_it_was_written_with(priced_world):
    body = {
        "serialNo": next_serial(),
        "companyCode": COMPANY,
        "factorNo": FACTOR,
        "userNo": "1",
        "meterNo": "188011110128",
        "meterType": 441,
        "billingModel": 1,
        "payModel": 2,
        "sdateTime": 20260101000000,
        "priceCode": PRICE,
    }
    text = json.dumps(body)[:-1] + ', "initNum": 1234567890.1234}'
    assert content(priced_world.cis.post("1001", text.encode()))["echoCode"] == "0000"
    assert str(Meter.objects.get().initial_index) == "1234567890.1234"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.00001", "最多保留 4 位小数"),
        ("-1", "不能为负数"),
        ("NaN", "不是有效的数字"),
        ("Infinity", "不是有效的数字"),
        ("1e400", "数值过大"),
        ("12345678901", "数值过大"),
        ("1,5", "不是有效的数字"),
        ("1_000", "不是有效的数字"),
        ("１２", "不是有效的数字"),
        (True, "必须是字符串或数字"),
        ([1], "必须是字符串或数字"),
        ("", "不能为空"),
    ],
)
def test_a_number_that_is_none_is_refused_and_nothing_is_stored(priced_world, value, reason):
    answer = priced_world.register(initNum=value)
    assert answer == {"echoCode": "9999", "echoMsg": f"initNum {reason}"}
    assert not Meter.objects.exists()


@pytest.mark.parametrize("moment", ["20260102094101", "202601020941", "2026-01-02", "2026-01-02 09:41:01"])
def test_every_form_of_sdatetime_is_read(priced_world, moment):
    assert priced_world.register(sdateTime=moment)["echoCode"] == "0000"


@pytest.mark.parametrize("moment", ["20261302094101", "2026/01/02", "now", "2026-01-02T09:41:01", "00010101000000"])
def test_other_forms_are_refused(priced_world, moment):
    assert priced_world.register(sdateTime=moment) == {"echoCode": "9999", "echoMsg": "sdateTime 不是有效的日期时间"}
    assert not Meter.objects.exists()


def test_a_text_with_a_zero_character_is_refused(priced_world):
    answer = priced_world.register(username="a\x00b")
    assert answer == {"echoCode": "9999", "echoMsg": "username 含有不允许的字符"}
    assert not Meter.objects.exists()


def test_a_lone_surrogate_is_refused(priced_world):
    body = b'{"serialNo": "s1", "priceCode": "\\ud800", "factorNo": "0025", "companyCode": "10001058"}'
    assert content(priced_world.cis.post("1007", body))["echoCode"] == "9999"


def test_the_company_may_be_left_out_by_a_peer_that_serves_one(world):
    body = {"serialNo": next_serial(), "factorNo": FACTOR}
    response = world.cis.post("1013", body)
    assert json.loads(b"".join(response.streaming_content))["echoCode"] == "0000"


def test_the_company_may_not_be_left_out_by_a_peer_that_serves_two(world):
    world.cis_peer.companies.create(code="20002", name="二")
    answer = world.cis.send("1013", factorNo=FACTOR)
    assert answer == {"echoCode": "9999", "echoMsg": "companyCode 不能为空"}


def test_one_trailing_slash_is_tolerated_and_no_second(world):
    body = {"serialNo": next_serial(), "companyCode": COMPANY, "factorNo": FACTOR}
    assert world.cis.post("1013", body, path=message_path("1013") + "/").status_code == 200
    assert world.cis.post("1013", body, path=message_path("1013") + "//").status_code == 404


@pytest.mark.parametrize("path", ["/api/collect/meter/1001", "/api/collect/meter/1003", "/api/", "/api/v2/x", "/nope"])
def test_an_unknown_path_is_404_with_an_envelope(world, path):
    response = world.cis.post("1001", {}, path=path)
    assert response.status_code == 404
    assert content(response) == {"echoCode": "9999", "echoMsg": "请求地址不存在"}
    assert response["Content-Type"] == "application/json;charset=utf-8"


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options"])
@pytest.mark.parametrize("signed", [True, False])
def test_a_wrong_method_is_405_with_an_envelope(world, method, signed):
    headers = world.cis.headers() if signed else {}
    response = getattr(Client(), method)(message_path("1001"), headers=headers)
    assert response.status_code == 405
    assert content(response) == {"echoCode": "9999", "echoMsg": "仅支持 POST 请求"}


def test_answers_are_utf8_json(world):
    response = world.cis.post("1007", {"serialNo": "1"})
    assert response["Content-Type"] == "application/json;charset=utf-8"
    assert response.content.decode() == '{"echoCode":"9999","echoMsg":"factorNo 不能为空"}'
    assert not Price.objects.exists()
