"""Who sees one company sees nothing of another: in no list, page, search, choice, action or history of any model."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.forms import ModelChoiceField
from django.urls import reverse

from alarms.models import Alarm, AlarmOccurrence, AlarmThresholds
from analysis.models import ApiToken, ExportJob
from commands.models import BulkCommand, BulkRow, Command, CommandEvent
from meters.models import Account, AccountEntry, Meter, MeterPrice, MeterState
from pricing.models import Price, PriceTier, PriceVersion
from protocol.models import Company, InboundMessage, Manufacturer, OutboundAttempt, OutboundMessage, Peer, PeerHealth
from readings.models import DailyUsage, Reading, ReadingReview
from staff.acts import put_on_record
from staff.admin_scope import Scoped
from staff.models import Role, StaffAct
from tests.admin.browsing import page
from tests.admin.rows import make_export, make_token
from tests.staff.conftest import Two, employ

# How a row of each model leads to its company; a model without an entry here fails.
PATHS: dict[Any, str] = {
    Company: "pk",
    Manufacturer: "prices__company",
    Peer: "companies",
    PeerHealth: "peer__companies",
    InboundMessage: "company",
    OutboundMessage: "company",
    OutboundAttempt: "message__company",
    Price: "company",
    PriceVersion: "price__company",
    PriceTier: "version__price__company",
    Meter: "company",
    MeterState: "meter__company",
    Account: "meter__company",
    AccountEntry: "meter__company",
    MeterPrice: "meter__company",
    Reading: "meter__company",
    DailyUsage: "meter__company",
    Alarm: "meter__company",
    AlarmOccurrence: "alarm__meter__company",
    AlarmThresholds: "manufacturer__prices__company",
    Command: "meter__company",
    CommandEvent: "command__meter__company",
    StaffAct: "company",
    User: "scope__companies",
    ReadingReview: "meter__company",
    BulkCommand: "companies",
    BulkRow: "meter__company",
    ExportJob: "owner__scope__companies",
    ApiToken: "user__scope__companies",
}
# The same for everybody.
COMMON = {Role}
SEARCHES = {StaffAct: "test.act", User: "fremd", InboundMessage: "in-900", OutboundMessage: "out-900"}


@pytest.fixture
def theirs(two: Two):
    """A row of the other company of every model."""
    person = employ("fremd", companies=[two.other.company])
    put_on_record(by=person, act="test.act", target=two.other.company, company=two.other.company)
    make_export(person)
    make_token(person, name="FREMD")
    return {model: model.objects.filter(**{path: two.other.company.pk}).first() for model, path in PATHS.items()}


def test_every_registered_model_is_decided_on():
    assert set(admin.site._registry) - COMMON == set(PATHS)
    assert all(isinstance(model_admin, Scoped) for model_admin in admin.site._registry.values())


@pytest.mark.parametrize("model", PATHS)
def test_nothing_of_another_company_is_seen(clerk, two, theirs, model):
    row = theirs[model]
    assert row is not None
    listed = clerk.get(page(model, "changelist"))
    assert listed.status_code == 200
    seen = {found.pk for found in listed.context["cl"].queryset}
    own = model.objects.filter(**{PATHS[model]: two.mine.company.pk}).values_list("pk", flat=True)
    assert row.pk not in seen
    assert seen >= set(own) - {None}
    assert "FREMD" not in listed.text
    for search in [SEARCHES.get(model, "000000000900"), "FREMD", "U000900", "20002", "0099"]:
        found = clerk.get(page(model, "changelist"), {"q": search})
        assert row.pk not in {hit.pk for hit in found.context["cl"].queryset}
    for what in ("change", "history", "delete"):
        assert clerk.get(page(model, what, row.pk)).status_code in (302, 403, 404), what


@pytest.mark.parametrize("model", PATHS)
def test_no_action_reaches_a_row_of_another_company(clerk, theirs, model):
    row = theirs[model]
    before = list(model.objects.filter(pk=row.pk).values())
    acts = StaffAct.objects.count()
    listed = clerk.get(page(model, "changelist"))
    form = listed.context.get("action_form")
    for name, _label in form.fields["action"].choices if form else []:
        data = {"action": name, "_selected_action": [row.pk], "select_across": "0", "post": "yes", "because": "x"}
        clerk.post(page(model, "changelist"), data)
    assert list(model.objects.filter(pk=row.pk).values()) == before
    assert StaffAct.objects.count() == acts


@pytest.mark.parametrize("model", PATHS)
def test_forms_offer_and_accept_no_row_of_another_company(clerk, theirs, model):
    answer = clerk.get(page(model, "add"))
    if answer.status_code != 200:
        return
    assert "FREMD" not in answer.text
    for field in answer.context["adminform"].form.fields.values():
        if isinstance(field, ModelChoiceField) and field.queryset.model in theirs:
            assert not field.queryset.filter(pk=theirs[field.queryset.model].pk).exists()


@pytest.mark.parametrize(
    ("model", "field", "wanted"),
    [(Peer, "companies", Company), (Peer, "manufacturers", Manufacturer), (Command, "meter", Meter)],
)
def test_autocomplete_finds_only_mine(clerk, theirs, model, field, wanted):
    parameters = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field}
    everything = clerk.get(reverse("admin:autocomplete"), {**parameters, "term": ""}).json()["results"]
    assert everything
    assert str(theirs[wanted].pk) not in {result["id"] for result in everything}


def test_nobody_makes_a_token_for_who_sees_more_or_may_more(clerk, theirs):
    for other in (User.objects.create_superuser("root"), User.objects.get(username="fremd")):
        answer = clerk.post(page(ApiToken, "add"), {"user": other.pk, "name": "mine now"})
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors.keys() == {"user"}
    assert list(ApiToken.objects.values_list("name", flat=True)) == ["FREMD"]


def test_a_link_to_a_filtered_list_does_not_name_the_row_of_another_company(clerk, theirs):
    meter = theirs[Meter]
    answer = clerk.get(page(Reading, "changelist"), {"meter__id__exact": meter.pk})
    assert answer.context["cl"].queryset.count() == 0
    assert meter.meter_no not in answer.text


def test_who_has_no_company_sees_no_row_and_who_has_no_role_no_page(client, two):
    person = employ("new")
    client.force_login(person)
    assert client.get(page(Meter, "changelist")).status_code == 403
    person.groups.set([Role.objects.get(name="operator").pk])
    assert client.get(page(Meter, "changelist")).context["cl"].queryset.count() == 0
