"""Exports in the admin: from a list to the form, to the page with progress, to the file; tokens."""

import json
from urllib.parse import parse_qs, urlparse

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from analysis.jobs import export_directory, run_export
from analysis.lists import rows_asked
from analysis.models import ApiToken, ExportJob, ExportState
from analysis.tables import TABLES
from meters.models import Meter
from staff.models import StaffAct
from tests.admin.rows import make_everything, make_person
from tests.analysis.people import analyst


@pytest.fixture(autouse=True)
def directory(settings, tmp_path):
    settings.EXPORT_DIR = str(tmp_path)
    return tmp_path


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


def page(what, *args):
    return reverse(f"admin:analysis_exportjob_{what}", args=args)


FORM = {"table": "meters", "asked": "{}", "form": "csv", "language": "zh-hans", "local_times": "on", "bom": "on"}


def ask(client, **fields):
    opened = client.get(page("add"))
    token = opened.context["adminform"].form["token"].value() if opened.status_code == 200 else ""
    return client.post(page("add"), {**FORM, "token": token, **fields})


@pytest.mark.django_db
def test_a_list_leads_to_the_form_with_its_filters_or_its_chosen_rows():
    make_everything()
    client = signed_in(analyst())
    listed = reverse("admin:meters_meter_changelist") + "?status__exact=active"
    first = Meter.objects.first().pk
    for across, asked in (("1", {"list": "status__exact=active"}), ("0", {"ids": [first]})):
        answer = client.post(
            listed, {"action": "export_rows", "_selected_action": [first], "select_across": across, "index": "0"}
        )
        query = parse_qs(urlparse(answer["Location"]).query)
        assert query["table"] == ["meters"]
        assert json.loads(query["asked"][0]) == asked
        form = client.get(answer["Location"]).context["adminform"].form
        client.post(page("add"), {**FORM, "asked": form["asked"].value(), "token": form["token"].value()})
        assert ExportJob.objects.latest("pk").asked == asked


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "query"),
    [
        ("meters", "status__exact=active"),
        ("readings", "quality=undecided"),
        ("daily-usage", ""),
        ("alarms", "state__exact=open"),
        ("commands", "state__exact=failed&q=000000000001"),
    ],
)
def test_each_list_has_a_link_to_an_export_of_exactly_what_it_shows(table, query):
    rows = make_everything()
    person = analyst(companies=[rows.company.code])
    model = TABLES[table].model._meta
    listed = signed_in(person).get(
        reverse(f"admin:{model.app_label}_{model.model_name}_changelist"), QUERY_STRING=query
    )
    link = listed.context["offered_url"]
    assert escape(link) in listed.text
    asked = json.loads(parse_qs(urlparse(link).query)["asked"][0])
    assert asked == {"list": query}
    found = set(rows_asked(TABLES[table], asked, user=person).values_list("pk", flat=True))
    assert found == set(listed.context["cl"].queryset.values_list("pk", flat=True)) != set()


@pytest.mark.django_db
def test_without_the_permission_a_list_offers_no_export():
    make_everything()
    client = signed_in(analyst(export=False))
    listed = client.get(reverse("admin:meters_meter_changelist"))
    assert "export_rows" not in listed.text
    assert "offered_url" not in listed.context
    assert client.get(page("add")).status_code == 403
    assert ask(client).status_code == 403
    assert not ExportJob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_from_the_form_to_the_file():
    make_everything()
    client = signed_in(analyst(companies=["10001"]))
    answer = ask(client, asked='{"list": "status__exact=active"}')
    job = ExportJob.objects.get()
    assert answer["Location"] == page("change", job.pk)
    assert job.shape == {
        "language": "zh-hans",
        "local_times": True,
        "bom": True,
        "gzip": False,
        "safe": True,
        "any_order": False,
    }
    waiting = client.get(page("change", job.pk)).text
    assert page("state", job.pk) in waiting
    assert page("cancel", job.pk) in waiting
    told = client.get(page("state", job.pk)).json()
    assert (told["state"], told["rows"], told["percent"], told["finished"]) == ("queued", 0, 0, False)
    assert client.get(page("file", job.pk)).status_code == 404
    assert run_export(job.pk)
    assert page("file", job.pk) in client.get(page("change", job.pk)).text
    assert client.get(page("state", job.pk)).json()["percent"] == 100
    file = client.get(page("file", job.pk))
    content = b"".join(file.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == 3
    assert file["Content-Disposition"] == f'attachment; filename="meters-{job.pk}.csv"'
    assert StaffAct.objects.filter(act="export.download").count() == 1
    (written,) = export_directory().iterdir()
    written.rename(written.with_suffix(".away"))
    assert client.get(page("file", job.pk), follow=True).redirect_chain == [(page("change", job.pk), 302)]
    assert StaffAct.objects.filter(act="export.download").count() == 1
    ExportJob.objects.update(expires_at=timezone.now())
    assert client.get(page("file", job.pk)).status_code == 404
    for what in ("state", "file", "change"):
        assert signed_in(analyst(f"other-{what}")).get(page(what, job.pk)).status_code in (302, 404)


@pytest.mark.django_db
def test_cancelling_on_the_page():
    make_everything()
    client = signed_in(analyst())
    ask(client)
    job = ExportJob.objects.get()
    assert client.get(page("cancel", job.pk)).status_code == 405
    assert signed_in(analyst("other")).post(page("cancel", job.pk)).status_code == 404
    assert ExportJob.objects.get().state == ExportState.QUEUED
    assert client.post(page("cancel", job.pk)).status_code == 302
    assert ExportJob.objects.get().state == ExportState.CANCELLED


@pytest.mark.django_db
@pytest.mark.parametrize("asked", ["", "null", "[1]", '"{}"', "{broken"])
def test_rows_that_are_not_understood_are_not_taken_for_all(asked):
    make_everything()
    assert ask(signed_in(analyst()), asked=asked).status_code == 200
    assert not ExportJob.objects.exists()


@pytest.mark.django_db
def test_a_list_that_does_not_exist_is_refused_and_asks_nothing():
    make_everything()
    answer = ask(signed_in(analyst()), asked='{"filters": {"nonsense": "1"}}')
    assert answer["Location"] == page("add")
    assert not ExportJob.objects.exists()


@pytest.mark.django_db
def test_a_token_is_shown_once():
    client, person = signed_in(make_person()), analyst()
    add = reverse("admin:analysis_apitoken_add")
    answer = client.post(add, {"user": person.pk, "name": "notebook"}, follow=True)
    token = ApiToken.objects.get()
    shown = next(str(message) for message in answer.context["messages"] if ": " in str(message) or "：" in str(message))
    text = shown.replace("：", ": ").rpartition(": ")[2].strip()
    assert Client().get("/api/analysis/meters", headers={"Authorization": f"Token {text}"}).status_code == 200
    changed = reverse("admin:analysis_apitoken_change", args=[token.pk])
    for url in (changed, reverse("admin:analysis_apitoken_changelist")):
        assert text not in client.get(url).text
        assert token.digest not in client.get(url).text
    client.post(reverse("admin:analysis_apitoken_delete", args=[token.pk]), {"post": "yes"})
    assert not ApiToken.objects.exists()
    assert list(StaffAct.objects.order_by("id").values_list("act", flat=True)) == ["token.make", "token.revoke"]
    assert not any(text in str(act.__dict__) for act in StaffAct.objects.all())
