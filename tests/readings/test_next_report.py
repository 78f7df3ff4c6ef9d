"""The short way of an ordinary report leaves the same rows and gives the same answer as the usual way."""

import json
import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from alarms.models import Alarm, AlarmThresholds
from commands.models import Command
from meters.models import Account, Meter, MeterState
from protocol.models import InboundMessage, OutboundMessage, Peer
from readings.endpoints import TakeReport
from readings.models import Reading
from readings.settlement import settle
from tests.wire import next_serial
from tests.world import COMPANY, FACTOR

QUICK, USUAL = "188011110001", "188011110002"
OWN = {
    "id",
    "meter_id",
    "serialNo",
    "userNo",
    "meterNo",
    "deviceId",
    "rdateTime",
    "received_at",
    "created_at",
    "due_at",
}
OWN |= {
    "serial_no",
    "lane",
    "sdateTime",
    "queued_at",
    "sent_at",
    "finished_at",
    "expires_at",
    "digest",
    "body",
    "answer",
}
OWN |= {"first_at", "last_at", "cleared_at", "sendSerialNo"}


@pytest.fixture
def short_ways(monkeypatch):
    """How often the short way was taken."""
    taken = []
    usual = TakeReport.quickly

    def quickly(self, received, *, directory):
        answer = None if received.message["meterNo"] == USUAL else usual(self, received, directory=directory)
        taken.append(answer is not None)
        return answer

    monkeypatch.setattr(TakeReport, "quickly", quickly)
    return taken


def same(values):
    return {name: value for name, value in values.items() if name not in OWN}


def left_behind(meter_no):
    """Everything in the database about a meter, but for what names it or the moment."""
    meter = Meter.objects.get(meter_no=meter_no)
    owed = OutboundMessage.objects.filter(lane=meter.pk).order_by("id")
    bodies = [{k: v for k, v in json.loads(row.body).items() if k not in OWN} for row in owed]
    tables = [Reading, MeterState, Account, Command, Alarm]
    written = {model.__name__: model.objects.filter(meter=meter).order_by("pk").values() for model in tables}
    rows = {name: [same(row) for row in found] for name, found in written.items()}
    return {**rows, "owed": [same(row) for row in owed.values()], "bodies": bodies}


@pytest.fixture
def pair(priced_world, short_ways, request):
    Peer.objects.filter(pk=priced_world.cis_peer.pk).update(url="http://127.0.0.1:9")
    return priced_world


def register(world, **fields):
    for meter_no in (QUICK, USUAL):
        assert world.register(meter_no, initNum="100", **fields)["echoCode"] == "0000"
    Command.objects.all().delete()


def both(world, moment, index, **fields):
    answers = [same(world.report(moment, index, meter_no, **fields)) for meter_no in (QUICK, USUAL)]
    assert answers[0] == answers[1]
    assert left_behind(QUICK) == left_behind(USUAL)
    return answers[0]


def draw(chance, moment, index):
    """Mostly the next reading; sometimes late, wrong, repeated, or with something beside it."""
    moment += timedelta(minutes=chance.choice([1, 60, 300, 600, 1440, 0, -900]))
    index += chance.choice([0, 1, 1, Decimal("0.0001"), 30, 500_000 if chance.random() < 0.2 else 1, -1])
    fields = {
        "valveState": chance.choice(["2", "2", "2", "3", "9"]),
        "batteryCap": "2.5" if chance.random() < 0.05 else "6.14",
        "temperature": chance.choice(["", "20.5"]),
        "deviceId": "",
        "curPrice": "1.4",
        "sumUseGas": "12.5",
        "sumUseAmount": "0",
        "meterBalance": chance.choice(["", "-3.5"]),
    }
    if chance.random() < 0.1:
        fields["addGas"] = {(timezone.localdate() - timedelta(days=5)).isoformat(): "101"}
    return min(moment, timezone.now().replace(microsecond=0)), max(index, Decimal(0)), fields


@pytest.mark.parametrize("model", ["1", "2", "3"])
@pytest.mark.parametrize("seed", range(4))
def test_both_ways_leave_the_same(pair, short_ways, model, seed):
    register(pair, billingModel=model)
    chance = random.Random(f"{model} {seed}")
    moment, index = timezone.now().replace(microsecond=0) - timedelta(days=9), Decimal(100)
    both(pair, moment, "100", billingModel=model, curPrice="1.4", sumUseGas="1", sumUseAmount="1")
    for number in range(12):
        moment, index, fields = draw(chance, moment, index)
        both(pair, moment, str(index), billingModel=model, **fields)
        if number == 8:
            settle(through=timezone.localdate() - timedelta(days=2), now=timezone.now())
        if number in (5, 11) and seed > 1:
            for meter_no in (QUICK, USUAL):
                valve = {"total": "1", "data": {"valveSet": "1"}}
                body = {"userNo": meter_no, "paramNo": "03", "paramContext": valve, "sdateTime": "2026-01-01"}
                pair.cis.send("1004", companyCode=COMPANY, factorNo=FACTOR, meterNo=meter_no, **body)
    assert short_ways[0]


def test_the_thresholds_of_a_manufacturer_count(pair):
    register(pair)
    AlarmThresholds.objects.create(manufacturer=pair.manufacturer, battery_volts=Decimal("6.5"))
    both(pair, timezone.now(), "101")
    assert Alarm.objects.filter(type="06").count() == 2


def test_an_ordinary_report_takes_the_short_way_and_spends_its_serial(pair, short_ways):
    register(pair)
    serial = next_serial()
    first = pair.report(timezone.now() - timedelta(hours=2), "101", QUICK, serialNo=serial)
    assert (first["echoCode"], short_ways) == ("0000", [True])
    assert pair.report(timezone.now() - timedelta(hours=1), "102", QUICK, serialNo=serial)["echoMsg"] == (
        f"通讯流水 {serial} 重复"
    )
    row = InboundMessage.objects.get(serial_no=serial, succeeded=True)
    assert json.loads(row.answer) == first
    assert json.loads(row.body)["readNum"] == "101"
    assert Reading.objects.count() == OutboundMessage.objects.count() == 1


def test_a_repeat_gets_the_stored_answer(pair, short_ways):
    register(pair)
    moment, serial = timezone.now() - timedelta(hours=2), next_serial()
    first = pair.report(moment, "101", QUICK, serialNo=serial)
    assert pair.report(moment, "101", QUICK, serialNo=serial) == first
    assert short_ways == [True, False]
    assert Reading.objects.count() == OutboundMessage.objects.count() == 1


def test_a_peer_disabled_meanwhile_is_refused(pair, short_ways):
    """The process still remembers it as it was."""
    register(pair)
    assert pair.report(timezone.now() - timedelta(hours=2), "101", QUICK)["echoCode"] == "0000"
    Peer.objects.filter(pk=pair.headend_peer.pk).update(is_active=False)
    assert pair.report(timezone.now() - timedelta(hours=1), "102", QUICK)["echoCode"] == "0103"
    assert (Reading.objects.count(), short_ways) == (1, [True, False])


def test_a_price_of_today_is_shown_at_once(pair):
    register(pair)
    now = timezone.now()
    assert both(pair, now - timedelta(hours=2), "100")["currentprice"] == "1.4"
    detail = {"priceLength": "1", "price1": "9"}
    body = {"priceProperty": "2", "priceVersion": "V2", "clearFlag": "1", "priceType": "1", "priceDetail": detail}
    begins = timezone.localdate().isoformat()
    assert pair.create_price(priceBeginDate=begins, **body)["echoCode"] == "0000"
    assert both(pair, now - timedelta(hours=1), "100")["currentprice"] == "9"


def test_it_takes_two_round_trips(pair, short_ways, monkeypatch):
    register(pair)
    pair.report(timezone.now() - timedelta(hours=2), "101", QUICK)
    with connection.execute_wrapper(lambda *_: pytest.fail("a query beside the pipeline")):
        assert pair.report(timezone.now() - timedelta(hours=1), "102", QUICK)["echoCode"] == "0000"
    assert short_ways == [True, True]
