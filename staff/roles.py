"""The roles: groups that `migrate` makes and keeps as this table says. Groups that staff made are left alone."""

from fnmatch import fnmatchcase

from django.apps import apps as installed_apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from staff.permissions import (
    CANCEL_COMMAND,
    CHANGE_METER_PRICE,
    DEREGISTER_METER,
    EXPORT,
    HANDLE_ALARM,
    NAMES,
    PAUSE_PEER,
    PROCESS_AGAIN,
    RECHARGE,
    RECONCILE,
    REPLACE_METER,
    REPLAY_COMMAND,
    REVIEW_READING,
    ROLES,
    SEND_AGAIN,
    SEND_BULK_COMMANDS,
    SEND_VALVE_COMMAND,
    SET_PRICE,
    TEST_PEER,
    WITHDRAW_MESSAGE,
)

_PARTIES = ["protocol.view_company", "protocol.view_manufacturer"]
_METERS = ["pricing.view_*", "meters.view_*", "readings.view_*", "commands.view_*", "alarms.view_*"]
_JOBS = ["analysis.*_*job", "analysis.view_*"]

# Who may do what; `*` stands for any model of that room. docs/operations.md tells the same to administrators.
MATRIX: dict[str, list[str]] = {
    "operator": [
        *_PARTIES,
        *_METERS,
        *_JOBS,
        "protocol.view_*",
        SEND_VALVE_COMMAND,
        SEND_BULK_COMMANDS,
        REPLAY_COMMAND,
        CANCEL_COMMAND,
        REPLACE_METER,
        REVIEW_READING,
        HANDLE_ALARM,
        SEND_AGAIN,
        WITHDRAW_MESSAGE,
        PROCESS_AGAIN,
        RECONCILE,
        PAUSE_PEER,
        TEST_PEER,
        EXPORT,
    ],
    "billing": [
        *_PARTIES,
        *_METERS,
        *_JOBS,
        RECHARGE,
        CHANGE_METER_PRICE,
        SET_PRICE,
        DEREGISTER_METER,
        REVIEW_READING,
        RECONCILE,
        EXPORT,
    ],
    "analyst": [*_PARTIES, *_METERS, *_JOBS, EXPORT],
    "auditor": [*_PARTIES, *_METERS, *_JOBS, "protocol.view_*", "staff.view_*", EXPORT],
    "administrator": [
        *_METERS,
        *_JOBS,
        *NAMES,
        "protocol.view_*",
        "protocol.*_company",
        "protocol.*_manufacturer",
        "protocol.*_peer",
        "alarms.*_alarmthresholds",
        "staff.view_*",
        "staff.*_staffscope",
        "analysis.*_apitoken",
        "auth.*_user",
        "staff.*_role",
    ],
}


def permitted(role: str, permission: str) -> bool:
    """Whether the table gives `permission` ("app.codename") to `role`."""
    return any(fnmatchcase(permission, pattern) for pattern in MATRIX[role])


@transaction.atomic
def keep_roles() -> None:
    """Make the roles, and give each exactly what the table says."""
    # Rooms below this one have theirs already; those above get theirs after this one's turn in `migrate`.
    for app_config in installed_apps.get_app_configs():
        create_permissions(app_config, verbosity=0)
    rows = Permission.objects.select_related("content_type")
    permissions = {row: f"{row.content_type.app_label}.{row.codename}" for row in rows}
    for role in ROLES:
        group, _made = Group.objects.get_or_create(name=role)
        group.permissions.set([row for row, name in permissions.items() if permitted(role, name)])
