"""An administrator makes tokens for people of their companies who may no more than they; nobody else's."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from analysis.access import make_token
from analysis.models import ApiToken
from staff.models import StaffAct
from tests.admin.browsing import page
from tests.staff.conftest import employ


def make(client, person):
    return client.post(page(ApiToken, "add"), {"user": person.pk, "name": "programs"})


def test_an_administrator_makes_tokens_within_scope_and_rights(client, two):
    mine = [two.mine.company]
    client.force_login(employ("chief", "administrator", companies=mine))
    analyst = employ("analyst", "analyst", companies=mine)
    beyond = employ("beyond", "analyst", companies=mine)
    beyond.user_permissions.set(Permission.objects.filter(codename="delete_meter"))
    elsewhere = employ("elsewhere", "analyst", companies=[two.other.company])
    for person in (beyond, elsewhere):
        assert make(client, person).context["adminform"].form.errors.keys() == {"user"}
    assert not ApiToken.objects.exists()
    assert make(client, analyst).status_code == 302
    assert ApiToken.objects.get().user == analyst
    assert StaffAct.objects.get().act == "token.make"


@pytest.mark.parametrize("role", ["operator", "billing", "analyst", "auditor"])
def test_no_other_role_makes_tokens(client, two, role):
    person = employ(role, role, companies=[two.mine.company])
    client.force_login(person)
    assert make(client, person).status_code == 403
    assert not ApiToken.objects.exists()


@pytest.fixture
def chief(two):
    return employ("chief", "administrator", companies=[two.mine.company])


@pytest.fixture
def analyst(two):
    return employ("analyst", "analyst", companies=[two.mine.company])


def read_with(text):
    response = Client().get("/api/analysis/meters", headers={"Authorization": f"Token {text}"})
    return (200, "") if response.status_code == 200 else (response.status_code, response.json()["error"])


OUTGROWN = (401, "token_outgrown")


@pytest.mark.parametrize("more", ["company", "all companies", "right", "superuser"])
def test_a_token_made_by_another_is_refused_while_its_user_may_more(two, chief, analyst, more):
    """Its text is known to whoever made it."""
    _token, text = make_token(user=analyst, name="programs", by=chief)
    _token, own = make_token(user=analyst, name="own", by=analyst)
    assert (read_with(text), read_with(own)) == ((200, ""), (200, ""))
    if more == "company":
        analyst.scope.companies.add(two.other.company)
    elif more == "all companies":
        type(analyst.scope).objects.filter(pk=analyst.pk).update(all_companies=True)
    elif more == "right":
        analyst.user_permissions.set(Permission.objects.filter(codename="delete_meter"))
    else:
        type(analyst).objects.filter(pk=analyst.pk).update(is_superuser=True)
    assert (read_with(text), read_with(own)) == (OUTGROWN, (200, ""))
    if more == "company":
        analyst.scope.companies.remove(two.other.company)
        assert read_with(text) == (200, "")


@pytest.mark.parametrize("less", ["company", "role", "leaves"])
def test_a_token_is_refused_while_its_maker_may_less_than_its_user(two, chief, analyst, less):
    _token, text = make_token(user=analyst, name="programs", by=chief)
    if less == "company":
        chief.scope.companies.set([two.other.company])
    elif less == "role":
        chief.groups.clear()
    else:
        type(chief).objects.filter(pk=chief.pk).update(is_active=False)
    assert read_with(text) == OUTGROWN


def test_the_page_of_a_token_says_who_made_it_and_whether_it_works(client, two, chief, analyst):
    token, _text = make_token(user=analyst, name="programs", by=chief)
    client.force_login(chief)
    shown = client.get(page(ApiToken, "change", token.pk))
    assert "chief" in shown.text
    assert "创建人" in shown.text
    model_admin = shown.context["adminform"].model_admin
    assert model_admin.works(token)
    analyst.scope.companies.add(two.other.company)
    assert not model_admin.works(ApiToken.objects.get())
