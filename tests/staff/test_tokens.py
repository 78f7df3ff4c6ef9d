"""An administrator makes tokens for people of their companies who may no more than they; nobody else's."""

import pytest
from django.contrib.auth.models import Permission

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
