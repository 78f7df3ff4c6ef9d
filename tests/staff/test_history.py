"""The history of a row is what staff did to it, as far as its reader's companies go; without any it is not offered."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from protocol.models import Company, Peer
from staff import admin_history
from staff.acts import put_on_record
from staff.admin_history import WithHistory
from staff.models import Role, StaffAct
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_export, make_token
from tests.staff.conftest import employ
from tests.staff.test_isolation import PATHS

MODELS = [*PATHS, Role]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@pytest.fixture
def rows(two, clerk):
    """Of every model one that the clerk sees, an act among them."""
    mine, clerk = two.mine.company, User.objects.get(username="clerk")
    StaffAct.objects.create(by=clerk, act="company.add", target_model="test.row", target_pk="1", company=mine)
    make_export(clerk)
    make_token(clerk, name="notebook")
    found = {model: model.objects.filter(**{path: mine.pk}).order_by("pk").first() for model, path in PATHS.items()}
    return {**found, User: clerk, Role: Role.objects.get(name="operator")}


def done_to(row, company, note):
    put_on_record(by=User.objects.get(username="clerk"), act="company.add", target=row, company=company, note=note)


def test_every_model_has_this_history():
    assert set(admin.site._registry) == set(MODELS)
    assert all(isinstance(model_admin, WithHistory) for model_admin in admin.site._registry.values())


@every_model
def test_the_link_leads_to_what_was_done_to_this_row_and_is_not_there_without(clerk, two, rows, model):
    row, mine, other = rows[model], two.mine.company, two.other.company
    address, history = page(model, "change", row.pk), page(model, "history", row.pk)
    assert history not in clerk.get(address).text
    done_to(row, mine, "seen")
    done_to(row, None, "of none in particular")
    done_to(row, other, "FREMD")
    of_other_kind = next(one for one in rows.values() if type(one) is not model)
    done_to(of_other_kind, mine, "of another kind")
    of_kind = {"target_model": row._meta.label_lower, "target_pk": f"{row.pk}1", "target_text": "another row"}
    StaffAct.objects.create(by=User.objects.get(username="clerk"), act="company.add", company=mine, **of_kind)
    shown = clerk.get(address)
    assert history in shown.text
    for read in (shown, clerk.get(history)):
        assert read.status_code == 200
        assert [act.note for act in read.context["acts_done"]] == ["of none in particular", "seen"]
        assert "of none in particular" in read.text
    assert "FREMD" not in clerk.get(history).text


@every_model
def test_only_who_may_see_the_row_reads_its_history(client, two, rows, model):
    done_to(rows[model], two.mine.company, "seen")
    history = page(model, "history", rows[model].pk)
    client.force_login(employ("clueless", companies=[two.mine.company]))
    assert client.get(history).status_code in (403, 404)
    beyond = employ("beyond", companies=[two.other.company])
    beyond.user_permissions.set(Permission.objects.all())
    client.force_login(beyond)
    response = client.get(history)
    assert response.status_code == (200 if model is Role else 404)
    assert "seen" not in response.text


def test_a_long_history_has_pages_and_one_without_acts_says_so(client, two, monkeypatch):
    monkeypatch.setattr(admin_history, "ACTS_PER_PAGE", 2)
    User.objects.create(username="clerk")
    sign_in(client, language="en")
    company, peer = two.mine.company, Peer.objects.get(app_code="cis-1")
    for number in range(3):
        done_to(company, company, f"note {number}")
    history = page(Company, "history", company.pk)
    first, last = client.get(history), client.get(history, {"p": 2})
    assert [[act.note for act in read.context["acts_done"]] for read in (first, last)] == [
        ["note 2", "note 1"],
        ["note 0"],
    ]
    assert ("Older" in first.text, "Newer" in first.text) == (True, False)
    assert ("Older" in last.text, "Newer" in last.text) == (False, True)
    assert "Nothing is on record." in client.get(page(Peer, "history", peer.pk)).text
    assert client.get(page(Company, "history", 0)).status_code == 404


def test_it_is_not_the_log_that_django_keeps(client, two):
    sign_in(client, language="en")
    company = two.mine.company
    client.post(page(Company, "change", company.pk), {"code": company.code, "name": "anew"})
    assert LogEntry.objects.filter(object_id=str(company.pk)).exists()
    LogEntry.objects.all().delete()
    (act,) = client.get(page(Company, "history", company.pk)).context["acts_done"]
    assert (act.act, act.before, act.after) == ("company.change", {"name": "示例燃气"}, {"name": "anew"})
