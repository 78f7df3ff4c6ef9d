"""Staff replay and cancel commands: the same services, with the person on record."""

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone

from commands.models import Command
from meters.models import Account, AccountEntry
from staff.models import StaffAct
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_command, make_meter, make_parties, make_person
from tests.staff.conftest import employ

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
    assert queued.events.values_list("cause", "detail").last() == ("cancelled", "chief")
    recorded = StaffAct.objects.get()
    assert (recorded.act, recorded.target_pk) == ("command.cancel", str(queued.pk))
    assert (recorded.before, recorded.after) == ({"state": "queued"}, {"state": "cancelled", "command": queued.pk})


def test_who_may_not_change_commands_has_no_actions(client, rows):
    old = make_command(rows, make_meter(rows, 1, billing_model="3"))
    sign_in(client, language="en", person=make_person("nobody", superuser=False))
    client.post(page(Command, "changelist"), {"action": "replay", "_selected_action": [old.pk]})
    assert Command.objects.count() == 1


def ask(client, meter, **fields):
    data = {"meter": meter.pk, "kind": "03", "valve": "1", "amount": "", "stream": "s1", **fields}
    return client.post(page(Command, "add"), data, follow=True)


def test_staff_ask_for_a_valve_with_their_name_on_record(client, rows):
    meter = make_meter(rows, 1, billing_model="3")
    sign_in(client, language="en")
    assert client.get(page(Command, "add")).status_code == 200
    assert ask(client, meter).status_code == 200
    command = Command.objects.get()
    assert (command.kind, command.payload, command.state) == ("03", {"valveSet": "1"}, "queued")
    assert (command.origin, command.requested_by.username, command.peer) == ("staff", "chief", None)


def test_staff_recharge_once_however_often_the_page_is_sent(client, rows):
    meter = make_meter(rows, 1, billing_model="3")
    Account.objects.update(kept_here=True)
    sign_in(client, language="en")
    ask(client, meter, kind="05", valve="", amount="12.5")
    again = ask(client, meter, kind="05", valve="", amount="12.5")
    assert "充值流水 s1 重复" in again.content.decode()
    assert Command.objects.get().state == "succeeded"
    assert AccountEntry.objects.filter(reference="s1").count() == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"valve": ""}, "valveSet 不能为空"),
        ({"kind": "05", "amount": ""}, "rechargeAmount 不能为空"),
        ({"kind": "05", "amount": "0"}, "rechargeAmount 必须大于 0"),
    ],
)
def test_a_form_that_is_wrong_asks_for_nothing(client, rows, fields, message):
    sign_in(client, language="en")
    response = ask(client, make_meter(rows, 1, billing_model="3"), **fields)
    assert message in response.content.decode()
    assert not Command.objects.exists()


def test_each_may_ask_for_the_kinds_of_their_role(client, rows):
    meter = make_meter(rows, 1, billing_model="3")
    Account.objects.update(kept_here=True)
    clerk = employ("clerk", "billing", companies=[rows.company])
    sign_in(client, language="en", person=clerk)
    assert "kind" in ask(client, meter).context["adminform"].form.errors
    assert not Command.objects.exists()
    ask(client, meter, kind="05", valve="", amount="12.5")
    assert Command.objects.get().requested_by == clerk
    operator = employ("operator", "operator", companies=[rows.company])
    sign_in(client, language="en", person=operator)
    assert "kind" in ask(client, meter, kind="05", valve="", amount="1", stream="s2").context["adminform"].form.errors
    ask(client, meter)
    act(client, "cancel", *Command.objects.filter(kind="03"))
    assert set(Command.objects.values_list("kind", "state")) == {("05", "succeeded"), ("03", "cancelled")}


def test_who_may_not_add_commands_has_no_form(client, rows):
    meter = make_meter(rows, 1, billing_model="3")
    sign_in(client, language="en", person=make_person("nobody", superuser=False))
    assert ask(client, meter).status_code == 403
    assert not Command.objects.exists()
