"""Staff replay and cancel commands: the same services, with the person on record."""

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone

from commands.models import Command
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_command, make_meter, make_parties, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    return make_parties()


def act(client, action, *commands):
    data = {"action": action, "_selected_action": [command.pk for command in commands]}
    response = client.post(page(Command, "changelist"), data)
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_a_replay_is_a_new_command_linked_to_the_old_one(client, rows):
    old = make_command(rows, make_meter(rows, 1, billing_model="3"))
    sign_in(client, language="en")
    assert act(client, "replay", old) == ["1 commands asked again."]
    new = Command.objects.exclude(pk=old.pk).get()
    assert (new.replay_of, new.payload, new.state, new.origin) == (old, {"valveSet": "1"}, "queued", "staff")
    assert new.requested_by.username == "chief"
    old.refresh_from_db()
    assert old.state == "failed"


@pytest.mark.parametrize("changes", [{"state": "sent"}, {"kind": "05", "payload": {"rechargeAmount": "1"}}])
def test_what_could_be_done_twice_is_not_replayed(client, rows, changes):
    old = make_command(rows, make_meter(rows, 1, billing_model="3"))
    Command.objects.update(**changes)
    sign_in(client, language="en")
    assert act(client, "replay", old) == [f"{old.pk}: 该指令不能重发", "0 commands asked again."]
    assert Command.objects.count() == 1


def test_a_queued_command_is_cancelled_and_a_finished_one_is_not(client, rows):
    queued = make_command(rows, make_meter(rows, 1, billing_model="3"), state="queued")
    finished = make_command(rows, make_meter(rows, 2, billing_model="3"), state="succeeded")
    Command.objects.filter(pk=queued.pk).update(expires_at=timezone.now())
    sign_in(client, language="en")
    said = act(client, "cancel", queued, finished)
    assert said == [f"{finished.pk}: 指令已完成，无法取消", "1 cancellations asked."]
    queued.refresh_from_db()
    assert queued.state == "cancelled"
    assert queued.events.last().cause == "cancelled by chief"


def test_who_may_not_change_commands_has_no_actions(client, rows):
    old = make_command(rows, make_meter(rows, 1, billing_model="3"))
    sign_in(client, language="en", person=make_person("nobody", superuser=False))
    client.post(page(Command, "changelist"), {"action": "replay", "_selected_action": [old.pk]})
    assert Command.objects.count() == 1
