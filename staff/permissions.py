"""What staff may do beyond Django's view, add, change and delete: one permission per act, each a constant to ask for.

`user.has_perm(RECHARGE)`. They hang on StaffAct, whose rows the acts become.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _

SEND_VALVE_COMMAND = "staff.send_valve_command"
SEND_BULK_COMMANDS = "staff.send_bulk_commands"
RECHARGE = "staff.recharge"
REPLAY_COMMAND = "staff.replay_command"
CANCEL_COMMAND = "staff.cancel_command"
CHANGE_METER_PRICE = "staff.change_meter_price"
REPLACE_METER = "staff.replace_meter"
DEREGISTER_METER = "staff.deregister_meter"
SET_PRICE = "staff.set_price"
REVIEW_READING = "staff.review_reading"
HANDLE_ALARM = "staff.handle_alarm"
SEND_AGAIN = "staff.send_again"
WITHDRAW_MESSAGE = "staff.withdraw_message"
PROCESS_AGAIN = "staff.process_again"
RECONCILE = "staff.reconcile"
PAUSE_PEER = "staff.pause_peer"
TEST_PEER = "staff.test_peer"
ROTATE_SECRET = "staff.rotate_secret"  # noqa: S105  (the name of a permission)
EXPORT = "staff.export"

NAMES: dict[str, Any] = {
    SEND_VALVE_COMMAND: _("open and close valves"),
    SEND_BULK_COMMANDS: _("open and close the valves of many meters"),
    RECHARGE: _("recharge meters"),
    REPLAY_COMMAND: _("ask again with a new command"),
    CANCEL_COMMAND: _("cancel commands"),
    CHANGE_METER_PRICE: _("change the price of a meter"),
    REPLACE_METER: _("replace meters"),
    DEREGISTER_METER: _("deregister meters"),
    SET_PRICE: _("create and adjust prices"),
    REVIEW_READING: _("review flagged readings"),
    HANDLE_ALARM: _("acknowledge and clear alarms"),
    SEND_AGAIN: _("send outbound messages again"),
    WITHDRAW_MESSAGE: _("withdraw outbound messages"),
    PROCESS_AGAIN: _("process rejected inbound messages again"),
    RECONCILE: _("reconcile with peers"),
    PAUSE_PEER: _("pause and resume peers"),
    TEST_PEER: _("make test calls to peers"),
    ROTATE_SECRET: _("make new secrets for peers"),
    EXPORT: _("export lists and data"),
}
ROLES: dict[str, Any] = {
    "operator": _("Operator"),
    "billing": _("Billing clerk"),
    "analyst": _("Analyst"),
    "auditor": _("Auditor"),
    "administrator": _("Administrator"),
}
# As StaffAct declares them. The names in the database are English and never shown: NAMES is.
DECLARED: list[tuple[str, Any]] = [
    (codename, codename.replace("_", " ")) for codename in (name.partition(".")[2] for name in NAMES)
]


def role_name(name: str) -> str:
    """A role in the reader's language; a group that staff made by the name they gave it."""
    return str(ROLES.get(name, name))
