"""Why a command moved, in the reader's language."""

from django.utils.translation import gettext

from commands.models import Cause, CommandEvent, CommandState, Origin

_BY = (Cause.CANCELLED, Cause.CANCELLED_IN_TIME, Cause.CANCEL_ASKED)


def in_words(event: CommandEvent) -> str:
    """The sentence of the event's cause; what rows of earlier versions hold, as it is."""
    if event.cause not in Cause.values:
        return event.cause
    return str(Cause(event.cause).label) % {"detail": _detail(event)}


def _detail(event: CommandEvent) -> str:
    if event.cause == Cause.ASKED and event.detail in Origin.values:
        return str(Origin(event.detail).label)
    if event.cause == Cause.TOO_LATE and event.detail in CommandState.values:
        return str(CommandState(event.detail).label)
    if event.cause in _BY and not event.detail:
        return gettext("the CIS")
    return event.detail
