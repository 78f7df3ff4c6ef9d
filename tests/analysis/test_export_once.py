"""The form of an export starts one export, however often it is sent; and only for whom it was made."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.db import transaction
from django.test import Client
from django.utils import timezone

from analysis import admin
from analysis.models import ExportJob
from staff.models import SentPage, StaffAct
from staff.once import LIFE
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_everything
from tests.analysis.people import analyst
from tests.lives.meetings import Pause, meet

FORM = {"table": "meters", "asked": "{}", "form": "csv", "language": "names"}
ADD = page(ExportJob, "add")


def opened(client) -> dict[str, str]:
    """What the button of a form just opened sends."""
    return FORM | {"token": client.get(ADD).context["adminform"].form["token"].value()}


def told(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.mark.django_db
def test_a_form_that_is_sent_twice_makes_one_export_and_leads_to_it_twice(client):
    make_everything()
    sign_in(client, language="en", person=analyst())
    form = opened(client)
    first, second = client.post(ADD, form), client.post(ADD, form)
    job = ExportJob.objects.get()
    assert first["Location"] == second["Location"] == page(ExportJob, "change", job.pk)
    assert told(second)[-1] == "This page had been sent before: it was done once."
    assert StaffAct.objects.get().act == "export.file"
    assert client.post(ADD, opened(client))["Location"] != first["Location"]
    assert ExportJob.objects.count() == 2


@pytest.mark.django_db
def test_a_form_that_was_refused_can_be_sent_again(client):
    make_everything()
    sign_in(client, person=analyst())
    form = opened(client)
    refused = client.post(ADD, {**form, "form": "nonsense"})
    assert refused.context["adminform"].form["token"].value() == form["token"]
    assert client.post(ADD, {**form, "asked": '{"filters": {"nonsense": "1"}}'})["Location"] == ADD
    assert (ExportJob.objects.count(), SentPage.objects.count()) == (0, 0)
    assert client.post(ADD, form)["Location"] == page(ExportJob, "change", ExportJob.objects.get().pk)


@pytest.mark.django_db
def test_a_form_of_nobody_of_another_or_of_yesterday_begins_anew(client):
    make_everything()
    sign_in(client, language="en", person=analyst("other"))
    others = opened(client)
    sign_in(client, language="en", person=analyst())
    own = opened(client)
    asked = f"{ADD}?{urlencode({'table': 'meters', 'asked': '{}'})}"
    for form in (FORM, {**FORM, "token": "nonsense"}, others):
        answer = client.post(asked, form)
        assert answer["Location"] == asked
        assert told(answer)[-1].startswith("This page is too old or not yours")
    with time_machine.travel(timezone.now() + LIFE + timedelta(minutes=1)):
        assert client.post(asked, own)["Location"] == asked
    assert (ExportJob.objects.count(), SentPage.objects.count(), StaffAct.objects.count()) == (0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_meets_the_export_that_is_being_asked_for(client, monkeypatch):
    """The second waits at the token, on a connection of its own, until the first has committed."""
    make_everything()
    sign_in(client, person=analyst())
    form = opened(client)

    def press():
        clicking = Client()
        clicking.cookies = client.cookies
        return clicking.post(ADD, form)["Location"]

    first, second = meet(Pause(monkeypatch, admin, "ask_for_export"), press, press)
    assert first == second == page(ExportJob, "change", ExportJob.objects.get().pk)
    assert (SentPage.objects.count(), StaffAct.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_when_the_first_of_two_clicks_fails_the_second_asks(client, monkeypatch):
    make_everything()
    sign_in(client, person=analyst())
    form, pause = opened(client), Pause(monkeypatch, admin, "ask_for_export")

    def press():
        clicking = Client(raise_request_exception=False)
        clicking.cookies = client.cookies
        return clicking.post(ADD, form).get("Location")

    def fail():
        with transaction.atomic():
            press()
            transaction.set_rollback(True)

    _failed, second = meet(pause, fail, press)
    assert second == page(ExportJob, "change", ExportJob.objects.get().pk)
    assert (SentPage.objects.count(), StaffAct.objects.count()) == (1, 1)
