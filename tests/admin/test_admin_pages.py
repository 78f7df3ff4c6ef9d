"""Every list, search, filter and detail page opens in both languages; what is read-only stays as it is."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from meters.models import Meter
from protocol.models import Company, InboundMessage, Manufacturer, OutboundMessage, Peer
from readings.models import DailyUsage, Reading
from staff import admin_base
from staff.admin_base import LargeTableAdmin, lookup_of
from tests.admin.browsing import (
    ASKED,
    EDITABLE,
    INTERNAL,
    LANGUAGES,
    LARGE,
    LIMIT,
    READ_ONLY,
    ROOMS,
    SEARCHES,
    busy,
    counts_of,
    filter_queries,
    page,
    sign_in,
)
from tests.admin.rows import ATTACK, SECRET, add_meters


def test_every_model_of_ours_is_registered_and_tested():
    ours = [model for model in apps.get_models() if model.__module__.split(".")[0] in ROOMS and model not in INTERNAL]
    assert set(ours) == set(EDITABLE + READ_ONLY) == set(SEARCHES)
    assert all(admin.site.is_registered(model) for model in ours)
    assert {model for model in ours if isinstance(admin.site.get_model_admin(model), LargeTableAdmin)} == set(LARGE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model", EDITABLE + READ_ONLY)
def test_list_search_filters_and_pages_open_and_show_no_secret(client, rows, model, language):
    sign_in(client, language=language)
    listed = client.get(page(model, "changelist"))
    assert listed.status_code == 200
    addresses = [page(model, "changelist") + query for query in filter_queries(listed, every=language == LANGUAGES[0])]
    row = busy(model)
    addresses += [page(model, "change", row.pk), page(model, "history", row.pk)]
    if model in EDITABLE + ASKED:
        addresses.append(page(model, "add"))
    for address in addresses:
        with CaptureQueriesContext(connection) as queries:
            response = client.get(address)
        assert response.status_code == 200, address
        assert model not in LARGE or all(LIMIT in sql for sql in counts_of(model, queries))
        assert SECRET not in response.text
        assert ATTACK not in response.text
        assert f'lang="{language}"' in response.text


@pytest.mark.parametrize("model", EDITABLE + READ_ONLY)
def test_search_finds_the_row_and_only_what_belongs_to_it(chief, model):
    found = chief.get(page(model, "changelist"), {"q": SEARCHES[model], "all": ""}).context["cl"]
    nothing = chief.get(page(model, "changelist"), {"q": "no-such-thing"}).context["cl"]
    assert found.result_count >= 1
    if model in LARGE:
        assert found.result_count < model.objects.count()
    assert nothing.result_count == 0


@pytest.mark.parametrize("model", EDITABLE + READ_ONLY)
def test_linked_lists_open_filtered_and_say_so(chief, model):
    site_admin = admin.site.get_model_admin(model)
    row = busy(model)
    links = list(admin_base._referring_lists(row, admin.site))
    if hasattr(site_admin, "extra_lists"):
        links += site_admin.extra_lists(row)
    content = chief.get(page(model, "change", row.pk)).text
    for title, address in links:
        assert address.replace("&", "&amp;") in content, f"{title} is not on the page"
        changelist = chief.get(address).context["cl"]
        assert changelist.has_active_filters, address
        assert changelist.result_count >= 1


def test_pages_for_a_meter_link_to_its_readings_usage_and_messages(chief):
    meter = Meter.objects.get(user_no="U000001")
    content = chief.get(page(Meter, "change", meter.pk)).text
    for model in (Reading, DailyUsage):
        assert f"{page(model, 'changelist')}?{lookup_of(model._meta.get_field('meter'))}={meter.pk}" in content
    assert f"{page(OutboundMessage, 'changelist')}?lane__exact={meter.pk}" in content


@pytest.mark.parametrize("model", READ_ONLY)
def test_read_only_rows_refuse_every_write(chief, model):
    row = model.objects.order_by("pk").first()
    before = list(model.objects.order_by("pk").values())
    fields = {field.name: "1" for field in model._meta.concrete_fields}
    for address, data in [
        (page(model, "add"), fields),
        (page(model, "change", row.pk), fields),
        (page(model, "delete", row.pk), {"post": "yes"}),
    ]:
        answer = 200 if model in ASKED and "/add/" in address else 403
        assert chief.post(address, data).status_code == answer, address
    chief.post(page(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert list(model.objects.order_by("pk").values()) == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("model", [Company, Manufacturer, Peer])
def test_what_is_referred_to_cannot_be_deleted_and_never_in_bulk(chief, model):
    row = busy(model)
    Peer.objects.update(is_active=False)
    assert chief.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    chief.post(page(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert model.objects.filter(pk=row.pk).exists()


def test_what_nothing_refers_to_can_be_deleted(chief):
    company = Company.objects.create(code="spare", name="spare")
    assert chief.post(page(Company, "delete", company.pk), {"post": "yes"}).status_code == 302
    assert not Company.objects.filter(pk=company.pk).exists()


def test_the_list_of_meters_shows_the_balance_by_who_keeps_the_money(chief, rows):
    add_meters(rows, first=3, last=3)
    listed = chief.get(page(Meter, "changelist")).context["cl"].result_list
    shown = {meter.billing_model: meter.balance_now for meter in listed}
    assert shown == {"1": 11, "2": 22, "3": 33}


def test_the_flagged_readings(chief):
    flagged = chief.get(page(Reading, "changelist"), {"quality": "flagged"}).context["cl"].result_list
    assert {reading.quality for reading in flagged} == {"early", "conflict", "decrease", "jump", "rejected"}


def test_bodies_are_laid_out_and_escaped(chief):
    for model in (InboundMessage, OutboundMessage):
        content = chief.get(page(model, "change", busy(model).pk)).text
        assert "&quot;address&quot;: &quot;人民路&quot;" in content
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content


def test_a_body_that_is_no_text_or_no_json_is_shown_as_it_came(chief, rows):
    message = busy(InboundMessage)
    for body, shown in [('{"a": "\\ud800"}', "\\ud800"), ("{broken", "{broken"), ("[" * 100_000, "[[[[")]:
        InboundMessage.objects.filter(pk=message.pk).update(body=body)
        response = chief.get(page(InboundMessage, "change", message.pk))
        assert response.status_code == 200
        assert shown in response.text
