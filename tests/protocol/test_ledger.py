"""Serials: spent once, answered again, refused for anything else (R5)."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from meters.models import Meter
from pricing.models import Price
from protocol.ledger import forget_serials, under_serial
from protocol.models import InboundMessage, InboundSerial
from tests.world import COMPANY, FACTOR, PRICE, TIERS, build_world

PRICE_BODY = {
    "companyCode": COMPANY,
    "factorNo": FACTOR,
    "priceCode": PRICE,
    "priceProperty": "1",
    "cycleLength": "12",
    "priceType": "2",
    "priceDetail": TIERS,
}


def post(caller, code, body):
    response = caller.post(code, body)
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return json.loads(content)


def test_the_same_message_again_gets_the_stored_answer(world):
    body = {"serialNo": "abc", **PRICE_BODY}
    first = post(world.cis, "1007", body)
    InboundMessage.objects.update(answer=json.dumps({**first, "stored": "yes"}))
    again = post(world.cis, "1007", dict(reversed(body.items())))
    assert first["echoCode"] == "0000"
    assert again == {**first, "stored": "yes"}
    assert Price.objects.count() == 1
    assert InboundMessage.objects.count() == 1


def test_another_message_under_a_spent_serial_is_refused(world):
    post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})
    answer = post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY, "priceCode": "other"})
    assert answer == {"echoCode": "9999", "echoMsg": "通讯流水 abc 重复"}
    assert list(Price.objects.values_list("code", flat=True)) == [PRICE]


def test_the_same_body_under_another_code_is_refused(world):
    body = {"serialNo": "abc", "companyCode": COMPANY, "factorNo": FACTOR, "meterNo": "1", "userNo": "1"}
    assert post(world.cis, "1013", {**body, "meterNo": "", "userNo": ""})["echoCode"] == "0000"
    answer = post(world.cis, "1007", {**PRICE_BODY, "serialNo": "abc"})
    assert answer == {"echoCode": "9999", "echoMsg": "通讯流水 abc 重复"}
    assert not Price.objects.exists()


def test_serials_belong_to_their_peer(world):
    other = build_world(company="20002", factor=FACTOR)
    assert post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})["echoCode"] == "0000"
    assert post(other.cis, "1007", {"serialNo": "abc", **PRICE_BODY, "companyCode": "20002"})["echoCode"] == "0000"
    assert Price.objects.count() == 2


def test_a_failed_message_leaves_its_serial_free_and_is_logged(world):
    refused = post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY, "priceType": "7"})
    assert refused == {"echoCode": "9999", "echoMsg": "priceType 的值 7 无效"}
    assert post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})["echoCode"] == "0000"
    log = list(InboundMessage.objects.order_by("id").values_list("succeeded", "echo_code", "answer"))
    assert log[0] == (False, "9999", "priceType 的值 7 无效")
    assert log[1][:2] == (True, "0000")


def test_an_unforeseen_failure_answers_9999_without_details_and_keeps_nothing(world, monkeypatch):
    def fail(**kwargs):
        Price.objects.create(company=world.company, manufacturer=world.manufacturer, code="half-done")
        raise RuntimeError("secret detail")

    monkeypatch.setattr("pricing.endpoints.create_price", fail)
    answer = post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})
    assert answer == {"echoCode": "9999", "echoMsg": "系统异常，请联系管理员"}
    assert not Price.objects.exists()
    assert InboundMessage.objects.get().succeeded is False


def test_queries_are_answered_afresh_under_the_same_serial(priced_world):
    body = {"serialNo": "q1", "companyCode": COMPANY, "factorNo": FACTOR}
    assert post(priced_world.cis, "1013", body)["echoMsg"]["readingData"]["total"] == "0"
    priced_world.register()
    moment = timezone.now() - timedelta(hours=1)
    assert priced_world.report(moment, "1")["echoCode"] == "0000"
    assert post(priced_world.cis, "1013", body)["echoMsg"]["readingData"]["total"] == "1"
    other = post(priced_world.cis, "1013", {**body, "readingDate": "2026-01-01"})
    assert other == {"echoCode": "9999", "echoMsg": "通讯流水 q1 重复"}


@pytest.mark.parametrize("serial", ["a" * 64, "123", "~!@#", 12345])
def test_serials_of_1_to_64_printable_characters_are_accepted(world, serial):
    answer = post(world.cis, "1007", {"serialNo": serial, **PRICE_BODY})
    assert answer["echoMsg"]["serialNo"] == str(serial)


@pytest.mark.parametrize("serial", ["a" * 65, "a b", "流水", "a\x7f", "", None, ["a"], True])
def test_other_serials_are_refused(world, serial):
    answer = post(world.cis, "1007", {"serialNo": serial, **PRICE_BODY})
    assert answer["echoCode"] == "9999"
    assert answer["echoMsg"].startswith("serialNo ")
    assert not Price.objects.exists()


def test_serials_are_forgotten_after_their_time(world, settings):
    settings.SERIAL_RETENTION_DAYS = 180
    post(world.cis, "1007", {"serialNo": "old", **PRICE_BODY})
    post(world.cis, "1007", {"serialNo": "new", **PRICE_BODY, "priceCode": "other"})
    now = timezone.now()
    InboundSerial.objects.filter(serial_no="old").update(received_at=now - timedelta(days=181))
    assert forget_serials(now=now, batch=1) == 1
    assert list(InboundSerial.objects.values_list("serial_no", flat=True)) == ["new"]


def test_a_freed_serial_can_be_spent_again_and_its_first_message_stays_on_record(world):
    body = {"serialNo": "abc", "companyCode": COMPANY, "factorNo": FACTOR}
    post(world.cis, "1013", body)
    InboundSerial.objects.update(received_at=timezone.now() - timedelta(days=181))
    assert forget_serials(now=timezone.now()) == 1
    assert post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})["echoCode"] == "0000"
    assert list(InboundMessage.objects.order_by("id").values_list("code", "succeeded")) == [
        ("1013", True),
        ("1007", True),
    ]
    answer = post(world.cis, "1013", body)
    assert answer == {"echoCode": "9999", "echoMsg": "通讯流水 abc 重复"}


@pytest.mark.parametrize("code", ["1007", "1013"])
def test_a_spent_serial_whose_message_is_not_kept_any_more_is_refused(world, code):
    body = {"serialNo": "abc", **PRICE_BODY}
    assert post(world.cis, code, body)["echoCode"] == "0000"
    InboundMessage.objects.all().delete()
    assert post(world.cis, code, body) == {"echoCode": "9999", "echoMsg": "通讯流水 abc 重复"}
    assert list(InboundMessage.objects.values_list("succeeded", flat=True)) == [False]
    assert Price.objects.count() == (code == "1007")


def test_the_messages_under_a_serial_are_those_refused_and_the_one_that_spent_it(world):
    other = build_world(company="20002", factor=FACTOR)
    post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY, "priceType": "7"})
    post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})
    post(world.cis, "1007", {"serialNo": "other", **PRICE_BODY, "priceCode": "other"})
    post(other.cis, "1007", {"serialNo": "abc", **PRICE_BODY, "companyCode": "20002"})
    found = InboundMessage.objects.filter(under_serial("abc")).order_by("id")
    assert list(found.values_list("peer", "succeeded")) == [
        (world.cis_peer.pk, False),
        (world.cis_peer.pk, True),
        (other.cis_peer.pk, True),
    ]
    assert not InboundMessage.objects.filter(under_serial("unknown")).exists()


def test_messages_lie_in_the_partition_of_their_month(world):
    post(world.cis, "1007", {"serialNo": "abc", **PRICE_BODY})
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, received_at FROM protocol_inboundmessage")
        [(name, received_at)] = cursor.fetchall()
    assert name == f"protocol_inboundmessage_p{received_at:%Y%m}01"


@pytest.mark.django_db(transaction=True)
def test_the_same_serial_from_16_connections_executes_once():
    world = build_world()
    world.create_price()
    body = {
        "serialNo": "race",
        "companyCode": COMPANY,
        "factorNo": FACTOR,
        "meterNo": "188011110128",
        "userNo": "188011110128",
        "meterType": "441",
        "initNum": "0",
        "billingModel": "3",
        "payModel": "1",
        "sdateTime": "20260101000000",
        "priceCode": PRICE,
    }

    def register(_):
        try:
            return post(world.cis, "1001", body)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(register, range(16)))

    assert answers[0]["echoCode"] == "0000"
    assert all(answer == answers[0] for answer in answers)
    assert Meter.objects.count() == 1
    assert InboundMessage.objects.filter(serial_no="race").count() == 1
