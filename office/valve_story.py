"""Why a valve is as it is, in words: from the last valve command that was done, who asked for it, and the account."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _

from alarms.models import UNCLEARED, Alarm
from commands.kinds import ValveCommand
from commands.models import WAITING, Command, CommandKind, CommandState, Origin
from meters.models import BillingModel, Meter, ValveState


@dataclass(frozen=True, slots=True)
class ValveStory:
    """`cause` is one of open, arrears, paid, cis, answer, staff, alarm, meter, unknown; `sentences` say it."""

    cause: str
    sentences: list[str]
    command: Command | None = None

    @property
    def good(self) -> bool:
        return self.cause == "open"


def valve_story(meter: Meter) -> ValveStory:
    """Two bounded queries of the meter's own commands, and one of its alarms when no command explains the valve."""
    valve = Command.objects.filter(meter=meter, kind=CommandKind.VALVE).select_related("peer", "requested_by")
    done = valve.filter(state=CommandState.SUCCEEDED).order_by("-pk").first()
    waiting = valve.filter(state__in=WAITING).order_by("-pk").first()
    cause, told = _cause(meter, done)
    sentences = [told, *_waiting(waiting)]
    if cause != "open" and meter.account.in_arrears and cause != "arrears":
        sentences.append(_("The account is in arrears as well: balance %(b)s CNY.") % {"b": meter.account.balance})
    return ValveStory(cause, sentences, done if cause in ("arrears", "paid", "cis", "answer", "staff") else None)


def _cause(meter: Meter, done: Command | None) -> tuple[str, str]:
    if meter.state.valve == ValveState.OPEN:
        return "open", _("The valve is open.")
    if meter.state.valve == ValveState.UNKNOWN:
        return "unknown", _("The meter has not said how its valve is.")
    if done is None or ValveCommand.wish(done) != ValveState.CLOSED:
        return _no_command(meter)
    return _commanded(meter, done)


def _commanded(meter: Meter, done: Command) -> tuple[str, str]:
    told = {"at": _at(done.finished_at), "balance": meter.account.balance}
    if done.origin == Origin.ARREARS and meter.account.in_arrears:
        return "arrears", _("The valve was closed on %(at)s for arrears: the balance is %(balance)s CNY.") % told
    if done.origin == Origin.ARREARS:
        said = _("The valve was closed on %(at)s for arrears, which are over: the balance is %(balance)s CNY.")
        return "paid", said % told
    if done.origin == Origin.CIS:
        said = _("The valve was closed on %(at)s because the CIS %(who)s ordered it.")
        return "cis", said % {**told, "who": done.peer.name if done.peer else ""}
    if done.origin == Origin.CIS_ANSWER:
        return "answer", _("The valve was closed on %(at)s because the CIS asked for it when a reading came.") % told
    said = _("The valve was closed on %(at)s by %(who)s of the staff.")
    return "staff", said % {**told, "who": done.requested_by.get_username() if done.requested_by else ""}


def _no_command(meter: Meter) -> tuple[str, str]:
    alarm = Alarm.objects.filter(meter=meter, state__in=UNCLEARED).exclude(type="01").order_by("-pk").first()
    if alarm is not None:
        said = _("No command closed the valve. The meter may have: the alarm “%(alarm)s” goes on since %(at)s.")
        return "alarm", said % {"alarm": alarm.get_type_display(), "at": _at(alarm.first_at)}
    balance = meter.state.reported_balance
    if meter.billing_model == BillingModel.METER and balance is not None and balance <= 0:
        said = _("The meter keeps its own money and has used it up: it reports a balance of %(balance)s CNY.")
        return "meter", said % {"balance": balance}
    return "unknown", _("The valve is closed, and nothing on record here says why: no command closed it.")


def _waiting(command: Command | None) -> list[str]:
    if command is None:
        return []
    told = {"at": _at(command.queued_at), "until": _at(command.expires_at)}
    if ValveCommand.wish(command) == ValveState.OPEN:
        return [_("A command to open it is under way since %(at)s, and expires on %(until)s.") % told]
    return [_("A command to close it is under way since %(at)s, and expires on %(until)s.") % told]


def _at(moment: datetime | None) -> str:
    return localize(timezone.localtime(moment)) if moment else "?"
