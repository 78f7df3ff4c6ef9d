"""A command's full story on one page, and asking again or cancelling it, each once and after a confirmation."""

from datetime import timedelta
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from commands.causes import asked_in_words, in_words
from commands.models import WAITING, Command, CommandKind, CommandState
from office.command_acts import ACTS, perform
from office.command_lists import CommandActions
from protocol.errors import ProtocolError
from protocol.ledger import under_serial
from protocol.models import InboundMessage, OutboundAttempt, OutboundMessage
from staff.admin_base import pretty_json
from staff.failures import failure_words
from staff.once import PageInvalid, PageSent, new_token

STATE_LABELS: Final = {
    CommandState.QUEUED: "info",
    CommandState.SENT: "warning",
    CommandState.SUCCEEDED: "success",
    CommandState.FAILED: "danger",
    CommandState.EXPIRED: "danger",
    CommandState.CANCELLED: "primary",
}
# Of the lane's later messages, those among which the 2002 about a command is looked for.
MESSAGES_LOOKED_AT: Final = 200


class CommandStories(CommandActions):
    change_form_outer_before_template = "office/command.html"
    list_display = [
        "id",
        "meter_page",
        "asked",
        "shown_state",
        "origin",
        "queued_at",
        "sent_at",
        "finished_at",
    ]

    @display(description=_("state"), label=STATE_LABELS)
    def shown_state(self, command: Command) -> tuple[str, str]:
        return command.state, command.get_state_display()

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.act_view)
        return [path("<int:pk>/ask/<slug:act>/", view, name="office_command_act"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        command = self.get_object(request, object_id)
        shown = {}
        if command is not None and self.has_view_permission(request, command):
            shown = self._shown(request, cast(Command, command))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        command = self.get_object(request, str(pk)) if act in ACTS else None
        if command is None:
            raise Http404
        if not self.has_view_permission(request, command) or not request.user.has_perm(ACTS[act].permission):
            raise PermissionDenied
        by, back = cast(User, request.user), reverse("admin:commands_command_change", args=[pk])
        if request.method == "POST":
            done = self._perform(request, act, cast(Command, command))
            return HttpResponseRedirect(reverse("admin:commands_command_change", args=[done.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": ACTS[act].label,
            "original": command,
            "command": command,
            "asked": asked_in_words(cast(Command, command)),
            "says": ACTS[act].says,
            "token": new_token(user=by, purpose=f"{act}:command:{pk}"),
            "back": back,
        }
        return TemplateResponse(request, "office/command_act.html", context)

    def _perform(self, request: HttpRequest, act: str, command: Command) -> Command:
        by, token = cast(User, request.user), request.POST.get("token", "")
        try:
            done = perform(act, command, token=token, by=by, now=timezone.now())
        except PageSent as sent:
            self.message_user(request, sent.words, messages.WARNING)
        except PageInvalid as invalid:
            self.message_user(request, invalid.words, messages.ERROR)
        except ProtocolError as refusal:
            told = gettext("Nothing was done: %(why)s") % {"why": refusal.told}
            self.message_user(request, told, messages.ERROR)
        else:
            self.message_user(request, gettext("Done: %(act)s.") % {"act": ACTS[act].label}, messages.SUCCESS)
            return done
        return command

    def _shown(self, request: HttpRequest, command: Command) -> dict[str, Any]:
        message = _sent(command)
        able = {
            "replay": command.kind == CommandKind.VALVE and command.state not in WAITING,
            "cancel": command.state in WAITING,
        }
        return {
            "command": command,
            "asked": asked_in_words(command),
            "state_label": STATE_LABELS[CommandState(command.state)],
            "events": [(event, in_words(event)) for event in command.events.all()[:200]],
            "asked_body": _asked_body(command) if request.user.has_perm("protocol.view_inboundmessage") else None,
            "message": message,
            "body": pretty_json(message.body) if message else None,
            "answer": pretty_json(message.answer) if message and message.answer else None,
            "attempts": [
                (one, pretty_json(one.answer), failure_words(one.error))
                for one in (_attempts(message) if message else ())
            ],
            "told": [(one, pretty_json(one.body), pretty_json(one.answer)) for one in _told(command)],
            "replays": command.replays.all()[:20],
            "command_buttons": [
                {"label": act.label, "url": reverse("admin:office_command_act", args=[command.pk, name])}
                for name, act in ACTS.items()
                if able[name] and request.user.has_perm(act.permission)
            ],
        }


def _sent(command: Command) -> OutboundMessage | None:
    """None for one that has not been sent, and when its message is not kept any more."""
    if command.message_id is None:
        return None
    # A day of grace: the clocks of two hosts may differ.
    since = command.queued_at - timedelta(days=1)
    return OutboundMessage.objects.filter(pk=command.message_id, created_at__gte=since).first()


def _attempts(message: OutboundMessage) -> QuerySet[OutboundAttempt]:
    return message.attempts.filter(message_created_at=message.created_at)[:50]


def _asked_body(command: Command) -> Any:
    if command.peer_id is None or not command.serial_no:
        return None
    asked = InboundMessage.objects.filter(under_serial(command.serial_no), peer=command.peer_id, succeeded=True)
    row = asked.order_by("-received_at").first()
    return None if row is None else pretty_json(row.body)


def _told(command: Command) -> list[OutboundMessage]:
    """The 2002 to the CIS that asked: looked for among the next messages of the lane after the command's end."""
    if command.peer_id is None or command.finished_at is None:
        return []
    later = OutboundMessage.objects.filter(lane=command.meter_id, created_at__gte=command.queued_at).order_by("pk")
    keys = list(later.values_list("pk", flat=True)[:MESSAGES_LOOKED_AT])
    found = OutboundMessage.objects.filter(pk__in=keys, code="2002", peer=command.peer_id)
    return [row for row in found.order_by("pk") if f'"{command.serial_no}"' in row.body]
