"""A page to confirm is for whom it was shown, with the rights and companies of then: else nothing is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from analysis.models import ExportJob
from commands.models import Command
from meters.models import Meter
from protocol.models import Company, OutboundMessage
from staff import permissions
from staff.models import SentPage, StaffAct, StaffScope
from tests.admin.browsing import page, sign_in
from tests.staff.conftest import Two, employ

DAY = "2026-02-01"
Fields = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`shown` opens the page, and returns where its button sends what."""

    permission: str
    shown: Callable[[Client], tuple[str, Fields]]


def hidden(response: Any) -> Fields:
    fields: Fields = {"post": "yes"}
    for name, value in response.context["hidden"]:
        fields[name] = [*fields.get(name, []), str(value)]
    return fields


def closing(client: Client) -> tuple[str, Fields]:
    url = reverse("admin:office_meter_act", args=[Meter.objects.get(user_no="U000001").pk, "close"])
    return url, {"token": client.get(url).context["token"], "note": ""}


def asking_again(client: Client) -> tuple[str, Fields]:
    command = Command.objects.get(meter__user_no="U000001")
    url = reverse("admin:office_command_act", args=[command.pk, "replay"])
    return url, {"token": client.get(url).context["token"]}


def from_the_list(model: Any, action: str) -> Callable[[Client], tuple[str, Fields]]:
    def shown(client: Client) -> tuple[str, Fields]:
        url = page(model, "changelist")
        listed = client.get(url).context["cl"].result_list
        return url, hidden(client.post(url, {"action": action, "_selected_action": [row.pk for row in listed]}))

    return shown


def lacking(client: Client) -> tuple[str, Fields]:
    url = reverse("admin:staff_reconcile")
    company = Company.objects.get(code="10001")
    return url, hidden(client.post(url, {"company": company.pk, "day": DAY, "code": "2001"}))


def exporting(client: Client) -> tuple[str, Fields]:
    url = page(ExportJob, "add")
    token = client.get(url).context["adminform"].form["token"].value()
    return url, {"table": "meters", "asked": "{}", "form": "csv", "language": "names", "token": token}


CASES = {
    "valve": Case(permissions.SEND_VALVE_COMMAND, closing),
    "command": Case(permissions.REPLAY_COMMAND, asking_again),
    "commands": Case(permissions.REPLAY_COMMAND, from_the_list(Command, "replay")),
    "messages": Case(permissions.SEND_AGAIN, from_the_list(OutboundMessage, "send_again")),
    "reconcile": Case(permissions.SEND_AGAIN, lacking),
    "export": Case(permissions.EXPORT, exporting),
}
every_page = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture
def person(two: Two) -> User:
    return equal_to_all("clerk", two.mine.company)


def equal_to_all(name: str, *companies) -> User:
    """May do everything but what a test gives."""
    made = employ(name, companies=companies)
    made.user_permissions.set(Permission.objects.exclude(codename="delete_group"))
    return made


def signed_in(person: User) -> Client:
    return sign_in(Client(), language="en", person=User.objects.get(pk=person.pk))


def state() -> list[Any]:
    messages = OutboundMessage.objects.order_by("pk").values_list("pk", "state", "tries")
    return [*messages, *(model.objects.count() for model in (Command, StaffAct, ExportJob, SentPage))]


def told(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


@every_page
def test_it_is_done_for_whom_it_was_shown(case, person):
    client, before = signed_in(person), state()
    client.post(*case.shown(client))
    assert state() != before
    assert StaffAct.objects.get().by == person


@every_page
def test_nothing_is_done_for_an_equal_colleague(case, person, two):
    url, fields = case.shown(signed_in(person))
    before = state()
    assert "not yours" in told(signed_in(equal_to_all("colleague", two.mine.company)).post(url, fields))
    assert state() == before


@every_page
def test_nothing_is_done_once_the_right_is_taken_away(case, person):
    client = signed_in(person)
    url, fields = case.shown(client)
    before, (app, codename) = state(), case.permission.split(".")
    person.user_permissions.remove(Permission.objects.get(content_type__app_label=app, codename=codename))
    client.post(url, fields)
    assert state() == before


@every_page
def test_nothing_is_done_once_the_company_is_taken_away(case, person):
    client = signed_in(person)
    url, fields = case.shown(client)
    before = state()
    person.scope.companies.clear()
    client.post(url, fields)
    assert state() == before


@every_page
@pytest.mark.parametrize("more", ["company", "all companies", "right", "everything"])
def test_with_more_rights_it_begins_anew(case, person, two, more):
    """The page said what would be done with those of then."""
    client = signed_in(person)
    url, fields = case.shown(client)
    before = state()
    if more == "company":
        person.scope.companies.add(two.other.company)
    elif more == "all companies":
        StaffScope.objects.filter(pk=person.pk).update(all_companies=True)
    elif more == "right":
        person.user_permissions.set(Permission.objects.all())
    else:
        User.objects.filter(pk=person.pk).update(is_superuser=True)
    client.post(url, fields)
    assert state() == before
    client.post(*case.shown(client))
    assert state() != before


@every_page
def test_nothing_is_done_for_who_was_sent_away(case, person):
    client = signed_in(person)
    url, fields = case.shown(client)
    before = state()
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert client.post(url, fields)["Location"].startswith("/admin/login/")
    assert state() == before
