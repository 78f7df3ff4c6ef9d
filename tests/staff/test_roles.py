"""The roles are made by migrate, say what the table says, and are kept so; groups of the staff's own are left alone."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from staff.permissions import EXPORT, NAMES, RECHARGE, ROLES, SEND_VALVE_COMMAND
from staff.roles import keep_roles
from tests.staff.conftest import employ

pytestmark = pytest.mark.django_db

# role -> (may, may not)
SAMPLES = {
    "operator": ([SEND_VALVE_COMMAND, "meters.view_meter"], [RECHARGE, "auth.view_user", "protocol.change_peer"]),
    "billing": ([RECHARGE, "readings.view_dailyusage"], [SEND_VALVE_COMMAND, "protocol.view_inboundmessage"]),
    "analyst": ([EXPORT, "readings.view_reading"], [RECHARGE, "protocol.view_peer", "staff.view_staffact"]),
    "auditor": (["staff.view_staffact", "protocol.view_inboundmessage"], [RECHARGE, SEND_VALVE_COMMAND]),
    "administrator": (
        [*NAMES, "auth.change_user", "protocol.add_peer", "analysis.add_apitoken"],
        ["staff.delete_staffact"],
    ),
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_what_the_table_says(role):
    person = employ("somebody", role)
    may, may_not = SAMPLES[role]
    assert [name for name in may if not person.has_perm(name)] == []
    assert [name for name in may_not if person.has_perm(name)] == []


def test_migrate_mends_a_role_and_leaves_other_groups_alone():
    own = Group.objects.create(name="night shift")
    own.permissions.set(Permission.objects.filter(codename="view_meter"))
    Group.objects.get(name="analyst").permissions.set(Permission.objects.filter(codename="recharge"))
    Group.objects.filter(name="auditor").delete()
    call_command("migrate", verbosity=0)
    assert set(own.permissions.values_list("codename", flat=True)) == {"view_meter"}
    assert not employ("a", "analyst").has_perm(RECHARGE)
    assert employ("b", "auditor").has_perm("staff.view_staffact")


def test_a_second_keeping_changes_nothing():
    before = sorted(Group.permissions.through.objects.values_list("group", "permission"))
    keep_roles()
    assert sorted(Group.permissions.through.objects.values_list("group", "permission")) == before
