"""Who may call, and what each failing check answers (R3, R4)."""

import base64
import hashlib
import json
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from protocol.models import InboundMessage
from protocol.signature import access_token, signed_headers
from tests.wire import Caller, next_serial
from tests.world import COMPANY, FACTOR, build_world

DENIED = {"echoCode": "0103", "echoMsg": "Token 校验未通过：请检查 AccessToken 和 Authorization"}


def ask(world, headers):
    """A 1013 with these headers: the answer, and nothing may have been logged or stored for a refusal."""
    body = {"serialNo": next_serial(), "companyCode": COMPANY, "factorNo": FACTOR}
    response = world.cis.post("1013", body, headers=headers)
    assert response.status_code == 200
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return json.loads(content)


def test_the_token_is_md5_of_code_secret_and_time_in_upper_case():
    expected = hashlib.md5(b"00000072secret20191127100056").hexdigest().upper()
    assert access_token(app_code="00000072", app_secret="secret", timestamp="20191127100056") == expected


def test_headers_are_signed_in_local_time():
    with time_machine.travel("2019-11-27T02:00:56Z", tick=False):
        headers = signed_headers(app_code="00000072", app_secret="s", now=timezone.now())
    # The specification's own example of this header.
    assert headers["Authorization"] == "MDAwMDAwNzI6MjAxOTExMjcxMDAwNTY="


@pytest.mark.parametrize("name", ["AccessToken", "Authorization"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_header_answers_0101(world, name, value):
    headers = world.cis.headers()
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    answer = ask(world, headers)
    assert answer == {"echoCode": "0101", "echoMsg": f"Token 校验未通过：请求头 {name} 缺失或无法解析"}
    assert not InboundMessage.objects.exists()


@pytest.mark.parametrize(
    "authorization",
    [
        "not base64!",
        base64.b64encode(b"no-separator").decode(),
        base64.b64encode(b":20260101000000").decode(),
        base64.b64encode(b"cis:2026010100000").decode(),
        base64.b64encode(b"cis:2026-01-01 0000").decode(),
        base64.b64encode(b"\xff\xfe:20260101000000").decode(),
        "Basic " + base64.b64encode(b"cis:20260101000000").decode(),
    ],
)
def test_an_authorization_that_cannot_be_decoded_answers_0101(world, authorization):
    answer = ask(world, {**world.cis.headers(), "Authorization": authorization})
    assert answer["echoCode"] == "0101"
    assert not InboundMessage.objects.exists()


def test_an_unknown_app_code_answers_0103(world):
    assert ask(world, Caller("nobody", "cis-secret").headers()) == DENIED


def test_a_wrong_secret_answers_0103(world):
    assert ask(world, Caller(world.cis.app_code, "guess").headers()) == DENIED


def test_a_disabled_peer_answers_0103(world):
    world.cis_peer.is_active = False
    world.cis_peer.save()
    assert ask(world, world.cis.headers()) == DENIED


def test_a_caller_outside_the_allow_list_answers_0103(world):
    world.cis_peer.allowed_addresses = ["10.0.0.0/8", "192.0.2.7"]
    world.cis_peer.save()
    assert ask(world, world.cis.headers()) == DENIED
    world.cis_peer.allowed_addresses = ["127.0.0.0/8"]
    world.cis_peer.save()
    assert ask(world, world.cis.headers())["echoCode"] == "0000"


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_wrote(world, settings):
    world.cis_peer.allowed_addresses = ["192.0.2.7"]
    world.cis_peer.save()
    forwarded = {**world.cis.headers(), "X-Forwarded-For": "192.0.2.7, 198.51.100.1"}
    settings.TRUSTED_PROXY_COUNT = 1
    assert ask(world, forwarded) == DENIED
    settings.TRUSTED_PROXY_COUNT = 2
    assert ask(world, forwarded)["echoCode"] == "0000"
    settings.TRUSTED_PROXY_COUNT = 0
    assert ask(world, forwarded) == DENIED


@pytest.mark.parametrize("seconds", [-601, 601, -86_400])
def test_a_timestamp_outside_the_window_answers_0105(world, seconds):
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False):
        headers = world.cis.headers()
    answer = ask(world, headers)
    assert answer == {"echoCode": "0105", "echoMsg": "Token 校验未通过：时间戳超出允许范围"}
    assert not InboundMessage.objects.exists()


@pytest.mark.parametrize("seconds", [-590, 590])
def test_a_timestamp_inside_the_window_is_accepted(world, seconds):
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False):
        headers = world.cis.headers()
    assert ask(world, headers)["echoCode"] == "0000"


def test_a_timestamp_that_is_no_time_answers_0105(world):
    stamp = "20261399999999"
    token = access_token(app_code=world.cis.app_code, app_secret="cis-secret", timestamp=stamp)
    authorization = base64.b64encode(f"{world.cis.app_code}:{stamp}".encode()).decode()
    assert ask(world, {"AccessToken": token, "Authorization": authorization})["echoCode"] == "0105"


def test_the_token_is_compared_without_regard_to_case(world):
    headers = world.cis.headers()
    assert ask(world, {**headers, "AccessToken": headers["AccessToken"].lower()})["echoCode"] == "0000"


def test_no_accept_header_is_needed_and_any_is_tolerated(world):
    headers = world.cis.headers()
    del headers["Accept"]
    assert ask(world, headers)["echoCode"] == "0000"
    assert ask(world, {**headers, "Accept": "text/html"})["echoCode"] == "0000"


def test_a_cis_may_not_call_2xxx_nor_a_headend_1xxx(priced_world):
    assert priced_world.cis.send("2001", companyCode=COMPANY, factorNo=FACTOR) == DENIED
    assert priced_world.headend.send("1001", companyCode=COMPANY, factorNo=FACTOR) == DENIED
    assert priced_world.headend.send("1013", companyCode=COMPANY, factorNo=FACTOR) == DENIED


def test_an_unknown_manufacturer_answers_0404(world):
    answer = world.cis.send("1013", companyCode=COMPANY, factorNo="9999")
    assert answer == {"echoCode": "0404", "echoMsg": "厂商编码(factorNo)错误"}


def test_a_manufacturer_that_is_not_the_callers_answers_0404(world):
    build_world(company="20002", factor="0099")
    answer = world.headend.send("2001", companyCode=COMPANY, factorNo="0099", **_report_fields())
    assert answer == {"echoCode": "0404", "echoMsg": "厂商编码(factorNo)错误"}


def test_another_company_and_one_that_does_not_exist_answer_alike(world):
    build_world(company="20002", factor="0099")
    other = world.cis.send("1013", companyCode="20002", factorNo=FACTOR)
    unknown = world.cis.send("1013", companyCode="30003", factorNo=FACTOR)
    assert other == {"echoCode": "9999", "echoMsg": "公司编码 20002 不存在"}
    assert unknown == {"echoCode": "9999", "echoMsg": "公司编码 30003 不存在"}


def test_a_cis_with_listed_manufacturers_is_held_to_them(world):
    build_world(company="20002", factor="0099")
    assert world.cis.send("1013", companyCode=COMPANY, factorNo="0099")["echoCode"] == "0000"
    world.cis_peer.manufacturers.add(world.manufacturer)
    assert world.cis.send("1013", companyCode=COMPANY, factorNo="0099")["echoCode"] == "0404"
    assert world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR)["echoCode"] == "0000"


def _report_fields():
    return {
        "userNo": "1",
        "meterNo": "188011110128",
        "billingModel": "2",
        "readNum": "0",
        "readDate": "20260101",
        "readTime": "000000",
        "batteryCap": "6",
        "semaphore": "59",
        "valveState": "2",
        "sdateTime": "2026-01-01",
    }
