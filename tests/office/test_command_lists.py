"""Commands chosen in the list are asked again or cancelled: the count first, then once, each on record."""

import pytest
from django.contrib.messages import get_messages

from commands.models import Command
from staff.models import StaffAct
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_command, make_meter, make_parties, make_person
from tests.staff.conftest import employ

pytestmark = pytest.mark.django_db
LIST = page(Command, "changelist")
STATES = ["failed", "queued", "sent"]


@pytest.fixture
def rows():
    return make_parties()


@pytest.fixture
def english(client, rows):
    return sign_in(client, language="en")


def ask(client, action, *commands, **more):
    data = {"action": action, "_selected_action": [command.pk for command in commands], **more}
    return client.post(LIST + more.pop("query", ""), data)


def confirm(client, shown, **changes):
    """Press the button of the page: exactly its fields."""
    fields: dict[str, list[str] | str] = {"post": "yes"}
    for name, value in shown.context["hidden"]:
        fields[name] = [*fields.get(name, []), str(value)]
    response = client.post(LIST, {**fields, **changes})
    return [str(message) for message in get_messages(response.wsgi_request)]


def states():
    return list(Command.objects.order_by("pk").values_list("state", flat=True))


def test_the_count_and_what_is_skipped_are_said_first_and_nothing_is_done(english, rows):
    meters = [make_meter(rows, number) for number in range(1, 4)]
    chosen = [make_command(rows, meter, state=state) for meter, state in zip(meters, STATES, strict=True)]
    Command.objects.filter(pk=chosen[2].pk).update(kind="05", payload={"rechargeAmount": "1"})
    shown = ask(english, "replay", *chosen)
    assert "It is done to 1 command." in shown.text
    assert [(str(why), count) for why, count in shown.context["plan"].skipped] == [
        ("a recharge: it may have reached the meter unseen", 1),
        ("still under way", 1),
    ]
    assert states() == STATES
    assert not StaffAct.objects.exists()


def test_a_page_sent_twice_makes_each_command_once(english, rows):
    chosen = [make_command(rows, make_meter(rows, number, billing_model="3")) for number in (1, 2)]
    shown = ask(english, "replay", *chosen)
    assert confirm(english, shown) == ["2 commands are asked again."]
    assert confirm(english, shown)[-1] == "This page had been sent before: it was done once."
    assert confirm(english, shown, token="made up")[-1].startswith("This page is too old or not yours")
    made = Command.objects.exclude(pk__in=[one.pk for one in chosen]).order_by("pk")
    assert [(new.replay_of, new.state, new.payload) for new in made] == [
        (old, "queued", {"valveSet": "1"}) for old in chosen
    ]
    acts = StaffAct.objects.order_by("pk")
    assert [(act.act, act.target_pk, act.before, act.after["command"]) for act in acts] == [
        ("command.replay", str(old.pk), {"state": "failed"}, new.pk) for old, new in zip(chosen, made, strict=True)
    ]


def test_the_waiting_ones_are_cancelled_and_the_others_left(english, rows):
    queued = make_command(rows, make_meter(rows, 1), state="queued")
    finished = make_command(rows, make_meter(rows, 2), state="succeeded")
    assert confirm(english, ask(english, "cancel", queued, finished)) == ["1 cancellation is asked for."]
    assert states() == ["cancelled", "succeeded"]
    assert queued.events.values_list("cause", "detail").last() == ("cancelled", "chief")


def test_what_the_queue_refuses_is_said_and_the_others_go_on(english, rows):
    handed_over = make_command(rows, make_meter(rows, 1), state="sent")
    queued = make_command(rows, make_meter(rows, 2), state="queued")
    said = confirm(english, ask(english, "cancel", handed_over, queued))
    assert said == [
        "1 cancellation is asked for.",
        f"#{handed_over.pk}: the command was handed over and cannot be taken back",
    ]
    assert states() == ["sent", "cancelled"]


def test_more_than_counted_are_counted_again(english, rows):
    make_command(rows, make_meter(rows, 1))
    shown = ask(english, "replay", *Command.objects.all(), select_across="1")
    make_command(rows, make_meter(rows, 2))
    fields = {name: str(value) for name, value in shown.context["hidden"]}
    again = english.post(LIST, {**fields, "post": "yes"})
    assert again.context["plan"].count == 2
    assert Command.objects.count() == 2


@pytest.mark.parametrize("action", ["replay", "cancel"])
def test_each_needs_its_permission(client, rows, action):
    command = make_command(rows, make_meter(rows, 1), state="queued" if action == "cancel" else "failed")
    sign_in(client, person=employ("auditor", "auditor", companies=[rows.company]))
    assert ask(client, action, command, post="yes", counted="9").status_code == 302
    assert states() == [command.state]
    assert not StaffAct.objects.exists()


def test_commands_are_asked_for_at_a_meter_only(client, rows):
    make_meter(rows, 1)
    sign_in(client, person=make_person())
    assert client.get(page(Command, "add")).status_code == 403
    assert client.post(page(Command, "add"), {"meter": "1", "kind": "03", "valve": "1"}).status_code == 403
    assert not Command.objects.exists()
