"""How many statements an ordinary message of each code costs, exactly. A number that grows is a decision, made here.

Each is the second of its kind, with a head-end and a CIS to be told; BEGIN, COMMIT and savepoints count. 1002 and 1009
settle their meter: most of theirs are those of the settlement. 2001 is a late one; the ordinary one has its own test.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.urls import MESSAGES
from protocol import bursts
from protocol.models import OutboundMessage, Peer
from tests.wire import next_serial
from tests.world import COMPANY, FACTOR, World, build_world, local

pytestmark = pytest.mark.django_db(transaction=True)
FIRST, SECOND = "188011110001", "188011110002"
Prepared = Callable[[], dict[str, Any]]


@pytest.fixture
def world():
    with time_machine.travel(local("2026-03-17 12:00:00"), tick=True):
        yield _made()


def _made() -> World:
    made = build_world(cis_url="http://127.0.0.1:9/")
    Peer.objects.filter(pk=made.headend_peer.pk).update(url="http://127.0.0.1:9/")
    assert made.create_price()["echoCode"] == "0000"
    assert made.create_price("贵")["echoCode"] == "0000"
    for number in (FIRST, SECOND):
        assert made.register(number)["echoCode"] == "0000"
        assert made.report(timezone.now() - timedelta(hours=3), "10", number)["echoCode"] == "0000"
    return made


def of(number: str, **fields: str) -> dict[str, Any]:
    day = str(timezone.localdate())
    return {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": number, "meterNo": number, "sdateTime": day, **fields}


def valve(world: World, number: str, serial_no: str) -> dict[str, Any]:
    context = {"total": "1", "data": {"valveSet": "1"}}
    return world.cis.send("1004", **of(number, paramNo="03", serialNo=serial_no), paramContext=context)


def registering(world: World, number: str) -> Prepared:
    return lambda: world.register(number[:-1] + "9" if number == FIRST else number[:-1] + "8")


def ending(world: World, number: str) -> Prepared:
    return lambda: world.cis.send("1002", **of(number, initNum="20", reason="拆表"))


def commanding(world: World, number: str) -> Prepared:
    return lambda: valve(world, number, next_serial())


def cancelling(world: World, number: str) -> Prepared:
    serial_no = next_serial()
    valve(world, number, serial_no)
    return lambda: world.cis.send("1005", **of(number, sendSerialNo=serial_no))


def pricing(world: World, number: str) -> Prepared:
    return lambda: world.create_price(f"price {number}")


def changing_price(world: World, number: str) -> Prepared:
    return lambda: world.cis.send("1008", **of(number, newPriceCode="贵"))


def replacing(world: World, number: str) -> Prepared:
    new = {"newMeterType": "502", "newMeterNo": number[:-1] + str(int(number[-1]) + 5)}
    return lambda: world.cis.send("1009", **of(number, **new, oldNum="20", newNum="5"))


def asking_fleet(world: World, number: str) -> Prepared:
    return lambda: world.cis.send("1013", companyCode=COMPANY, factorNo=FACTOR)


def asking_meter(world: World, number: str) -> Prepared:
    return lambda: world.cis.send("1014", **of(number))


def asking_usage(world: World, number: str) -> Prepared:
    day = str(timezone.localdate())
    return lambda: world.cis.send("1015", **of(number, startTime=day, endTime=day))


def reporting(world: World, number: str) -> Prepared:
    return lambda: world.report(timezone.now() - timedelta(hours=1), "11", number)


def reporting_late(world: World, number: str) -> Prepared:
    return lambda: world.report(timezone.now() - timedelta(hours=4), "9", number)


def telling_result(world: World, number: str) -> Prepared:
    valve(world, number, next_serial())
    sent = OutboundMessage.objects.filter(code="1004").latest("id").serial_no
    return lambda: world.headend.send("2002", **of(number, paramNo="03", sendSerialNo=sent, excuteState="1"))


def alarming(world: World, number: str) -> Prepared:
    told = {"alarmType": "07", "alarmContent": "磁场", "alarmPriority": "1"}
    return lambda: world.headend.send("2003", **of(number, **told))


BUDGETS: list[tuple[str, Callable[[World, str], Prepared], int]] = [
    ("1001", registering, 18),
    ("1002", ending, 40),
    ("1004", commanding, 22),
    ("1005", cancelling, 22),
    ("1007", pricing, 16),
    ("1008", changing_price, 21),
    ("1009", replacing, 53),
    ("1013", asking_fleet, 3),
    ("1014", asking_meter, 7),
    ("1015", asking_usage, 4),
    ("2001", reporting_late, 23),
    ("2002", telling_result, 16),
    ("2003", alarming, 12),
]


@pytest.mark.parametrize(("code", "prepare", "budget"), BUDGETS, ids=[row[0] for row in BUDGETS])
def test_a_message_costs_as_many_statements_as_its_budget_says(world, code, prepare, budget):
    assert prepare(world, FIRST)()["echoCode"] == "0000"
    send = prepare(world, SECOND)
    with CaptureQueriesContext(connection) as queries:
        assert send()["echoCode"] == "0000"
    assert len(queries) == budget, "\n".join(query["sql"] for query in queries)


def test_an_ordinary_report_costs_two_round_trips_and_nothing_beside_them(world, monkeypatch):
    trips = []
    travel = bursts.Transaction._send

    def counted(self, statements, values):
        trips.append(len(statements))
        return travel(self, statements, values)

    monkeypatch.setattr(bursts.Transaction, "_send", counted)
    assert reporting(world, FIRST)()["echoCode"] == "0000"
    trips.clear()
    with CaptureQueriesContext(connection) as queries:
        assert reporting(world, SECOND)()["echoCode"] == "0000"
    assert (len(queries), trips) == (0, [2, 2])


def test_every_code_has_a_budget():
    assert [code for code, *_ in BUDGETS] == [code for code, *_ in MESSAGES]
