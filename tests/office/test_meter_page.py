"""A meter's page says why its valve is closed, draws its usage, and tells its life newest first."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commands.models import Command
from meters.models import Account, Meter, MeterState
from office.timeline import SOURCES, timeline
from office.valve_story import valve_story
from tests.admin.browsing import page, sign_in
from tests.admin.rows import NOW, make_alarm, make_command, make_meter, make_outbound, make_parties, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    return make_parties()


def closed(rows, **command):
    meter = make_meter(rows, 1)
    MeterState.objects.update(valve="closed")
    if command:
        Command.objects.filter(pk=make_command(rows, meter, state="succeeded").pk).update(finished_at=NOW, **command)
    return meter


def cause(meter):
    return valve_story(Meter.objects.select_related("state", "account").get(pk=meter.pk)).cause


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ({"origin": "cis"}, "cis"),
        ({"origin": "answer"}, "answer"),
        ({"origin": "staff"}, "staff"),
        ({"origin": "arrears"}, "paid"),
        ({"origin": "cis", "payload": {"valveSet": "0"}}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_why_a_valve_is_closed(rows, command, expected):
    assert cause(closed(rows, **command)) == expected


def test_arrears_an_alarm_and_an_open_valve(rows):
    meter = closed(rows, origin="arrears")
    Account.objects.update(in_arrears=True)
    assert cause(meter) == "arrears"
    Command.objects.all().delete()
    make_alarm(meter, type="02")
    assert cause(meter) == "alarm"
    MeterState.objects.update(valve="open")
    assert cause(meter) == "open"


def test_the_page_shows_it_all_in_a_bounded_number_of_queries(client, rows):
    meter = closed(rows, origin="staff", requested_by=make_person("wang"))
    sign_in(client, language="en")
    with CaptureQueriesContext(connection) as few:
        text = client.get(page(Meter, "change", meter.pk)).text
    assert "by wang of the staff" in text
    assert "Close the valve" in text
    for number in range(20):
        make_outbound(rows, 100 + number, lane=meter.pk, state="dead")
        make_command(rows, meter)
    with CaptureQueriesContext(connection) as many:
        client.get(page(Meter, "change", meter.pk))
    assert len(many) <= len(few) <= 45


def test_the_timeline_shows_each_event_once_page_by_page(rows):
    meter = make_meter(rows, 1)
    for number in range(40):
        # Times that run against the keys lose nothing.
        command = make_command(rows, meter)
        Command.objects.filter(pk=command.pk).update(queued_at=NOW - timedelta(minutes=number % 7))
        make_outbound(rows, number, lane=meter.pk, state="dead")
    shown, cursor = [], ""
    while True:
        part = timeline(meter, sources=list(SOURCES), cursor=cursor)
        shown += [(event.source, event.key) for event in part.events]
        cursor = part.older
        if not cursor:
            break
    assert len(shown) == len(set(shown)) == 40 + 40 + 1 + 1


def test_who_may_only_see_meters_sees_no_commands_and_no_buttons(client, rows):
    meter = closed(rows, origin="cis")
    clerk = make_person("clerk", superuser=False)
    sign_in(client, person=clerk)
    assert client.get(page(Meter, "change", meter.pk)).status_code == 403
