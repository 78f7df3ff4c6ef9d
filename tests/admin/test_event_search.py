"""Events of commands are found by a whole meter number or by the serial of the request, through indexes."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from commands.models import Command, CommandEvent
from tests.admin.browsing import page


def found(chief, text):
    events = chief.get(page(CommandEvent, "changelist"), {"q": text}).context["cl"].result_list
    return {event.command_id for event in events}


def test_by_meter_and_by_request(chief):
    first, second = Command.objects.order_by("pk")
    for text in (first.meter.meter_no, first.meter.user_no, f" {first.serial_no} "):
        assert found(chief, text) == {first.pk}
    assert found(chief, second.serial_no) == {second.pk}
    assert found(chief, "nothing") == set()


def test_no_column_is_searched_in_capitals(chief):
    with CaptureQueriesContext(connection) as queries:
        found(chief, "000000000001")
    assert not any("UPPER(" in query["sql"] for query in queries)
