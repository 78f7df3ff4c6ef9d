"""Who manages people gives no more than they have, makes no superuser, and takes nobody's place who may do more."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, InternalError, transaction

from protocol.models import Company
from staff.models import Role, StaffAct, StaffScope
from tests.admin.browsing import page
from tests.admin.rows import make_person
from tests.staff.conftest import employ

pytestmark = pytest.mark.django_db


@pytest.fixture
def companies():
    return [Company.objects.create(code=code, name=code) for code in ("A", "B")]


@pytest.fixture
def boss(client, companies):
    """The administrator of one company."""
    client.force_login(employ("boss", "administrator", companies=companies[:1]))
    return client


def data_of(person: User, **changes):
    return {
        "username": person.username,
        "last_name": "",
        "first_name": "",
        "email": "",
        "is_active": "on",
        "is_staff": "on",
        "groups": [group.pk for group in person.groups.all()],
        "scope-TOTAL_FORMS": 1,
        "scope-INITIAL_FORMS": 1,
        "scope-0-user": person.pk,
        "scope-0-companies": [company.pk for company in person.scope.companies.all()],
        **changes,
    }


def test_an_administrator_gives_roles_and_companies_and_it_is_on_record(boss, companies):
    person = employ("clerk")
    role = Group.objects.get(name="billing")
    answer = boss.post(
        page(User, "change", person.pk), data_of(person, groups=[role.pk], **{"scope-0-companies": [companies[0].pk]})
    )
    assert answer.status_code == 302
    person = User.objects.get(pk=person.pk)
    assert [group.name for group in person.groups.all()] == ["billing"]
    assert list(person.scope.companies.all()) == companies[:1]
    act = StaffAct.objects.get()
    assert (act.by.username, act.act, act.target_text) == ("boss", "user.change", "clerk")
    assert act.before["groups"] == []
    assert act.after["groups"] == ["billing"]


@pytest.mark.parametrize(
    "changes",
    [{"is_superuser": "on"}, {"scope-0-all_companies": "on"}],
)
def test_what_the_form_does_not_offer_is_not_taken_from_it(boss, changes):
    person = employ("clerk")
    assert boss.post(page(User, "change", person.pk), data_of(person, **changes)).status_code == 302
    person = User.objects.get(pk=person.pk)
    assert not person.is_superuser
    assert not person.scope.all_companies


def test_a_company_of_others_cannot_be_given(boss, companies):
    person = employ("clerk")
    answer = boss.post(page(User, "change", person.pk), data_of(person, **{"scope-0-companies": [companies[1].pk]}))
    assert answer.status_code == 200
    assert not person.scope.companies.exists()


def test_who_may_do_more_or_sees_more_is_out_of_reach(boss, companies):
    chief = make_person("chief")
    wide = employ("wide", "analyst", companies=companies)
    everywhere = employ("everywhere", "analyst", everything=True)
    for person in (chief, wide, everywhere):
        for what in ("change", "password_change"):
            address = (
                f"/admin/auth/user/{person.pk}/password/" if what == "password_change" else page(User, what, person.pk)
            )
            assert boss.get(address).status_code in (302, 403, 404)
            boss.post(address, {"password1": "Neu-Wort-77", "password2": "Neu-Wort-77", "usable_password": "true"})
        person.refresh_from_db()
        assert not person.check_password("Neu-Wort-77")


def test_a_new_password_is_on_record_without_it(boss):
    person = employ("clerk")
    data = {"password1": "Neu-Wort-77", "password2": "Neu-Wort-77", "usable_password": "true"}
    assert boss.post(f"/admin/auth/user/{person.pk}/password/", data).status_code == 302
    person.refresh_from_db()
    assert person.check_password("Neu-Wort-77")
    act = StaffAct.objects.get()
    assert (act.act, act.after) == ("user.change", {"password": "••••••"})
    assert "Neu-Wort" not in str(act.before)


def test_a_new_person_starts_with_nothing(boss):
    data = {"username": "fresh", "password1": "Neu-Wort-77", "password2": "Neu-Wort-77", "usable_password": "true"}
    assert boss.post(page(User, "add"), data).status_code == 302
    fresh = User.objects.get(username="fresh")
    assert not fresh.get_all_permissions()
    assert (fresh.is_staff, fresh.is_superuser) == (True, False)
    assert not StaffScope.objects.filter(user=fresh, all_companies=True).exists()


def test_roles_of_the_platform_are_only_read(client):
    client.force_login(make_person())
    role = Role.objects.get(name="analyst")
    answer = client.get(page(Role, "change", role.pk))
    assert answer.status_code == 200
    assert "分析" in answer.text or "Analyst" in answer.text
    assert client.post(page(Role, "change", role.pk), {"name": "x", "permissions": []}).status_code == 403
    assert client.get(page(Role, "add")).status_code == 200
    assert client.post(page(Role, "add"), {"name": "night shift", "permissions": []}).status_code == 302
    assert client.post(page(Role, "add"), {"name": "analyst", "permissions": []}).status_code == 200


def test_what_was_done_can_be_read_but_neither_changed_nor_deleted(client, companies):
    client.force_login(make_person())
    data = {"code": "A", "name": "neuer Name"}
    assert client.post(page(Company, "change", companies[0].pk), data).status_code == 302
    act = StaffAct.objects.get()
    assert (act.act, act.before, act.after) == ("company.change", {"name": "A"}, {"name": "neuer Name"})
    assert act.company == companies[0]
    assert "neuer Name" in client.get(page(StaffAct, "change", act.pk)).text
    assert page(Company, "change", companies[0].pk) in client.get(page(StaffAct, "changelist")).text
    assert "chief" in client.get(page(Company, "change", companies[0].pk)).text
    for change in (lambda: StaffAct.objects.update(note="x"), lambda: StaffAct.objects.all().delete()):
        with pytest.raises((InternalError, IntegrityError)), transaction.atomic():
            change()
    assert StaffAct.objects.get().note == ""
