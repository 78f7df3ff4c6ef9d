"""A refused message is processed again: once, under its own serial, by POST only, on record."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from pricing.models import Price
from protocol.again import Processed, SucceededAlready, process_again
from protocol.models import InboundMessage, Peer
from protocol.parties import create_manufacturer
from staff.models import StaffAct
from tests.admin.browsing import sign_in
from tests.admin.rows import make_person
from tests.staff.conftest import employ
from tests.world import COMPANY, FACTOR, PRICE, TIERS, build_world

LATE_FACTOR = "0099"
PRICE_BODY = {"priceCode": PRICE, "priceProperty": "1", "cycleLength": "12", "priceType": "2"}


def refused(world, serial="late-1"):
    """A price for a manufacturer that is not known yet."""
    fields = {"companyCode": COMPANY, "factorNo": LATE_FACTOR, "priceDetail": TIERS, **PRICE_BODY}
    answer = json.loads(world.cis.post("1007", {"serialNo": serial, **fields}).content)
    assert answer["echoCode"] == "0404", answer
    return InboundMessage.objects.get(serial_no=serial)


def mend():
    create_manufacturer(factor_no=LATE_FACTOR, name="新表厂")


def ledger():
    return list(InboundMessage.objects.order_by("pk").values_list("serial_no", "succeeded", "echo_code"))


def again_url(message):
    return f"/admin/protocol/inboundmessage/{message.pk}/again/"


@pytest.fixture
def english(client, db):
    return sign_in(client, language="en")


def test_it_is_processed_once_its_cause_is_mended_and_the_refusal_stays(english, world):
    message = refused(world)
    mend()
    asked = english.get(again_url(message))
    assert "The stored message is processed now" in asked.text
    assert not Price.objects.exists()
    done = english.post(again_url(message), follow=True)
    assert "Processed: 0000" in done.text
    assert Price.objects.get().manufacturer.factor_no == LATE_FACTOR
    assert ledger() == [("late-1", False, "0404"), ("late-1", True, "0000")]
    act = StaffAct.objects.get()
    assert (act.act, act.target_pk, act.company.code) == ("inbound.process_again", str(message.pk), COMPANY)
    assert (act.before["echo_code"], act.after["echo_code"]) == ("0404", "0000")
    assert "Others under this serial number" in done.text


def test_the_peer_that_sends_it_again_gets_the_answer_made_then(world):
    message = refused(world)
    mend()
    done = process_again(message, now=timezone.now())
    later = json.loads(world.cis.post("1007", json.loads(message.body)).content)
    assert (later["echoCode"], later["echoMsg"]) == (done.echo_code, done.echo_msg)
    assert Price.objects.count() == 1
    assert len(ledger()) == 2


def test_while_the_cause_remains_it_is_refused_again_and_that_is_shown(english, world):
    message = refused(world)
    done = english.post(again_url(message), follow=True)
    assert "Refused again: 0404 厂商编码(factorNo)错误" in done.text
    assert ledger() == [("late-1", False, "0404")] * 2
    assert not Price.objects.exists()
    assert StaffAct.objects.get().after["echo_code"] == "0404"


def test_a_second_press_finds_it_done(english, world):
    message = refused(world)
    mend()
    english.post(again_url(message))
    done = english.post(again_url(message), follow=True)
    assert "A message under this serial number has succeeded" in done.text
    assert len(ledger()) == 2
    assert StaffAct.objects.count() == 1


def test_what_its_peer_sent_again_meanwhile_is_left_alone(world):
    message = refused(world)
    mend()
    world.cis.post("1007", {**json.loads(message.body), "priceCode": "other"})
    with pytest.raises(SucceededAlready):
        process_again(message, now=timezone.now())
    assert list(Price.objects.values_list("code", flat=True)) == ["other"]
    assert len(ledger()) == 2


@pytest.mark.parametrize("change", [{"is_active": False}, {"kind": "headend"}])
def test_not_for_a_peer_that_may_not_send_it_any_more(english, world, change):
    message = refused(world)
    mend()
    Peer.objects.filter(pk=message.peer_id).update(**change)
    done = english.post(again_url(message), follow=True)
    assert "out of use" in done.text
    assert (ledger(), Price.objects.count(), StaffAct.objects.count()) == ([("late-1", False, "0404")], 0, 0)


def test_a_query_is_not_asked_again(english, world):
    world.cis.post("1015", {"serialNo": "q-1", "companyCode": COMPANY, "factorNo": FACTOR})
    message = InboundMessage.objects.get(serial_no="q-1")
    done = english.post(again_url(message), follow=True)
    assert "only asked for something" in done.text
    assert (len(ledger()), StaffAct.objects.count()) == (1, 0)


def test_maintenance_changes_nothing(english, world, settings):
    message = refused(world)
    mend()
    settings.MAINTENANCE = True
    assert "Nothing was done" in english.post(again_url(message), follow=True).text
    assert (len(ledger()), StaffAct.objects.count()) == (1, 0)


def test_it_needs_the_permission_and_the_company(client, world):
    message = refused(world)
    mend()
    reader = make_person("reader", superuser=False)
    reader.user_permissions.set(Permission.objects.filter(codename="view_inboundmessage"))
    stranger = employ("stranger", "operator")
    auditor = employ("auditor", "auditor", companies=[world.company])
    for person, status in ((reader, 403), (stranger, 404), (auditor, 403)):
        client.force_login(person)
        assert client.get(again_url(message)).status_code == status
        assert client.post(again_url(message)).status_code == status
    assert (len(ledger()), StaffAct.objects.count()) == (1, 0)
    client.force_login(employ("operator", "operator", companies=[world.company]))
    assert client.post(again_url(message)).status_code == 302
    assert Price.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_process_it_once():
    world = build_world()
    message = refused(world)
    mend()

    def press(_n):
        try:
            return process_again(message, now=timezone.now())
        except SucceededAlready:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(press, range(2)))
    assert sorted(isinstance(outcome, Processed) for outcome in outcomes) == [False, True]
    assert Price.objects.count() == 1
    assert len(ledger()) == 2
