"""A command's page tells its whole story; asking again and cancelling happen once, after a confirmation, on record."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from commands.models import Command
from staff.models import StaffAct
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_command, make_inbound, make_meter, make_outbound, make_parties, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    return make_parties()


def url(command, act):
    return reverse("admin:office_command_act", args=[command.pk, act])


def test_the_page_tells_request_attempts_and_answers(client, rows):
    command = make_command(rows, make_meter(rows, 1))
    inbound = make_inbound(rows, 1)
    message = make_outbound(rows, 1, lane=command.meter_id)
    Command.objects.filter(pk=command.pk).update(message=message, serial_no=inbound.serial_no)
    text = sign_in(client, language="en").get(page(Command, "change", command.pk)).text
    assert message.serial_no in text
    assert text.count("refused") >= 2
    assert "Request of the CIS (1004)" in text
    assert "<script>alert(1)</script>" not in text


def test_asking_again_happens_once_however_often_the_page_is_sent(client, rows):
    command = make_command(rows, make_meter(rows, 1))
    sign_in(client, language="en")
    token = client.get(url(command, "replay")).context["token"]
    assert Command.objects.count() == 1
    for _ in range(2):
        client.post(url(command, "replay"), {"token": token})
    new = Command.objects.exclude(pk=command.pk).get()
    assert (new.replay_of, new.origin) == (command, "staff")
    act = StaffAct.objects.get()
    assert (act.act, act.after) == ("command.replay", {"state": "queued", "command": new.pk})


def test_a_queued_command_is_cancelled_and_a_finished_one_is_not(client, rows):
    queued = make_command(rows, make_meter(rows, 1), state="queued")
    finished = make_command(rows, make_meter(rows, 2), state="succeeded")
    sign_in(client, language="en")
    for command in (queued, finished):
        response = client.post(url(command, "cancel"), {"token": client.get(url(command, "cancel")).context["token"]})
    assert "Nothing was done: the command is over and cannot be cancelled" in [
        str(one) for one in get_messages(response.wsgi_request)
    ]
    states = dict(Command.objects.values_list("pk", "state"))
    assert states == {queued.pk: "cancelled", finished.pk: "succeeded"}
    assert StaffAct.objects.count() == 1


@pytest.mark.parametrize("act", ["replay", "cancel"])
def test_who_may_not_does_nothing(client, rows, act):
    command = make_command(rows, make_meter(rows, 1), state="queued" if act == "cancel" else "failed")
    sign_in(client, person=make_person("nobody", superuser=False))
    assert client.post(url(command, act), {"token": "x"}).status_code in (403, 404)
    assert Command.objects.values_list("state", flat=True).get() == command.state
