"""What a head-end must know of its meters is passed on to it, per meter in order (R1)."""

import json

import pytest

from protocol.models import OutboundMessage
from tests.commands.conftest import METER, make_desk
from tests.world import COMPANY, FACTOR, PRICE


@pytest.fixture
def told(headend, priced_world):
    """(code, lane, body) of everything for the head-end, in order, since the price was made."""

    def read():
        rows = OutboundMessage.objects.filter(peer=priced_world.headend_peer).order_by("pk")
        return [(row.code, row.lane, json.loads(row.body)) for row in rows]

    return read


def test_every_message_is_passed_on_with_a_serial_of_its_own(told, priced_world):
    desk = make_desk(priced_world, username="张三", serialNo="cis-serial")
    meter = desk.meter
    priced_world.create_price("新价")
    priced_world.cis.send("1008", **desk.names(), newPriceCode="新价")
    new = {"newMeterType": "502", "newMeterNo": "188011110199", "oldNum": "5", "newNum": "1"}
    device_id = priced_world.cis.send("1009", **desk.names(), **new)["echoMsg"]["deviceId"]
    names = {**desk.names(), "meterNo": "188011110199"}
    priced_world.cis.send("1002", **names, initNum="2", reason="拆", sdateTime="2026-01-01")

    messages = told()
    assert [code for code, _, _ in messages] == ["1001", "1007", "1008", "1009", "1002"]
    heir = meter.replaced_by
    assert [lane for _, lane, _ in messages] == [meter.pk, messages[1][1], meter.pk, heir.pk, heir.pk]
    assert messages[1][1] < 0
    for _, _, body in messages:
        assert (body["companyCode"], body["factorNo"]) == (COMPANY, FACTOR)
        assert len(body["serialNo"]) == 32
    register = messages[0][2]
    assert (register["username"], register["deviceId"], register["meterNo"]) == ("张三", meter.device_id, METER)
    assert register["serialNo"] != "cis-serial"
    assert messages[3][2]["newMeterNo"] == "188011110199"
    assert messages[3][2]["deviceId"] == meter.device_id
    assert messages[4][2]["deviceId"] == device_id


def test_a_refused_message_is_not_passed_on(told, priced_world):
    assert priced_world.register(meterType="1")["echoCode"] == "9999"
    assert priced_world.create_price(PRICE)["echoCode"] == "2004"
    assert told() == []


def test_without_a_url_nothing_is_owed(priced_world):
    priced_world.register()
    assert not OutboundMessage.objects.exists()


def test_a_headend_of_other_companies_is_not_told(told, priced_world):
    priced_world.headend_peer.companies.create(code="20002", name="二")
    priced_world.register()
    assert told() == []
