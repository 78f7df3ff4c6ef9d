"""What a command asks for, and why it moved, in the reader's language."""

import re

from django.utils.translation import gettext

from commands.models import Cause, Command, CommandEvent, CommandKind, CommandState, Origin
from meters.words import end_reason_words

# The sentences that rows of earlier versions hold instead of a code.
_EARLIER = [
    (r"asked by (\w+)", Cause.ASKED),
    (r"credited to the account", Cause.CREDITED),
    (r"replaced by a newer valve command", Cause.REPLACED),
    (r"handed to the head-end", Cause.TO_HEADEND),
    (r"handed over in the answer to a report", Cause.HANDED_OVER),
    (r"accepted by the head-end", Cause.ACCEPTED),
    (r"refused by the head-end: (.*)", Cause.REFUSED),
    (r"the head-end cannot be reached; the outcome is unknown", Cause.UNREACHABLE),
    (r"reported by the head-end", Cause.REPORTED),
    (r"the head-end reports (\w+), too late to count", Cause.TOO_LATE),
    (r"the meter reports it", Cause.SEEN),
    (r"cancelled by the head-end", Cause.CANCELLED_THERE),
    (r"not cancelled: (.*)", Cause.NOT_CANCELLED),
    (r"the meter has ended: (.*)", Cause.METER_ENDED),
    (r"arrears are over", Cause.ARREARS_OVER),
    (r"not done in its time", Cause.OVERDUE),
    (r"cancelled by the CIS()", Cause.CANCELLED),
    (r"cancelled by (.+) before it left", Cause.CANCELLED_IN_TIME),
    (r"cancelled by (.+): the head-end is asked", Cause.CANCEL_ASKED),
    (r"cancelled by (\S+)", Cause.CANCELLED),
]
_BY = (Cause.CANCELLED, Cause.CANCELLED_IN_TIME, Cause.CANCEL_ASKED)


def asked_in_words(command: Command) -> str:
    if command.kind == CommandKind.RECHARGE:
        return gettext("Recharge of %(amount)s CNY") % {"amount": command.payload.get("rechargeAmount", "?")}
    return gettext("Open the valve") if command.payload.get("valveSet") == "0" else gettext("Close the valve")


def in_words(event: CommandEvent) -> str:
    """The sentence of the event's cause; what no version wrote, as it is."""
    cause, detail = _read(event)
    if cause not in Cause.values:
        return cause
    return str(Cause(cause).label) % {"detail": _detail_words(cause, detail)}


def _read(event: CommandEvent) -> tuple[str, str]:
    if event.cause in Cause.values:
        return event.cause, event.detail
    for text, cause in _EARLIER:
        if found := re.fullmatch(text, event.cause, re.DOTALL):
            return cause, "".join(found.groups())
    return event.cause, ""


def _detail_words(cause: str, detail: str) -> str:
    if cause == Cause.ASKED and detail in Origin.values:
        return str(Origin(detail).label)
    if cause == Cause.TOO_LATE and detail in CommandState.values:
        return str(CommandState(detail).label)
    if cause in _BY and detail in ("", "the CIS"):
        return gettext("the CIS")
    return end_reason_words(detail) if cause == Cause.METER_ENDED else detail
