"""Commands and their stories; staff replay and cancel through the same services as everybody."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from commands.admin_forms import StaffCommandForm
from commands.cancelling import cancel_command
from commands.causes import in_words
from commands.models import Command, CommandEvent, CommandKind
from commands.replay import replay
from meters.admin import OfMeterAdmin
from meters.models import Account
from protocol.errors import Refused
from staff.acts import name_acts, put_on_record
from staff.admin_base import LargeTableAdmin, LinkedFilter, ReadOnlyTable
from staff.permissions import CANCEL_COMMAND, RECHARGE, REPLAY_COMMAND, SEND_VALVE_COMMAND


class EventInline(ReadOnlyTable):
    model = CommandEvent
    fields: ClassVar[Any] = ["at", "from_state", "to_state", "told"]

    @admin.display(description=_("cause"))
    def told(self, event: CommandEvent) -> str:
        return in_words(event)


@admin.register(Command)
class CommandAdmin(OfMeterAdmin):
    list_display = ["id", "meter_page", "asked", "state", "origin", "queued_at", "sent_at", "finished_at"]
    list_display_links = ["id"]
    list_filter = ["state", "kind", "origin", ("meter", LinkedFilter), ("peer", LinkedFilter)]
    ordering = ["-id"]
    inlines: ClassVar[Any] = [EventInline]
    actions = ["replay", "cancel"]
    fields: ClassVar[Any] = [
        "meter",
        ("kind", "payload"),
        "state",
        ("origin", "requested_by"),
        ("peer", "serial_no"),
        ("queued_at", "expires_at"),
        ("sent_at", "finished_at"),
        "cancel_asked_at",
        "message",
        "replay_of",
        "linked_lists",
    ]

    autocomplete_fields: ClassVar[Any] = ["meter"]

    @admin.display(description=_("what is asked"))
    def asked(self, command: Command) -> str:
        if command.kind == CommandKind.RECHARGE:
            return gettext("Recharge of %(amount)s CNY") % {"amount": command.payload.get("rechargeAmount", "")}
        return gettext("Open the valve") if command.payload["valveSet"] == "0" else gettext("Close the valve")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(SEND_VALVE_COMMAND) or request.user.has_perm(RECHARGE)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(REPLAY_COMMAND))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(CANCEL_COMMAND))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        form: Any = super().get_form(request, obj, change, **{"form": StaffCommandForm, **kwargs})
        # The class was made for this request.
        form.kinds_allowed = kinds_allowed(cast(User, request.user))
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["meter", "kind", "valve", "amount", "stream"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else []

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """What the queue refuses (a stream that is known, a meter that has just ended) is said on a fresh form."""
        try:
            return super().add_view(request, form_url, extra_context)
        except Refused as refusal:
            self.message_user(request, refusal.message, level=messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: Command, form: Any, change: bool) -> None:
        """Submitting is saving: the same service as for a CIS, with the staff member on record."""
        obj.pk = form.submit(by=request.user).pk
        obj.refresh_from_db()

    @admin.action(description=_("Ask again with a new command"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Command]) -> None:
        done = self._each(request, queryset, "replay", lambda command: _replay(command, cast(User, request.user)))
        self.message_user(request, gettext("%(count)d commands asked again.") % {"count": done})

    @admin.action(description=_("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Command]) -> None:
        done = self._each(request, queryset, "cancel", lambda command: _cancel(command, cast(User, request.user)))
        self.message_user(request, gettext("%(count)d cancellations asked.") % {"count": done})

    def _each(self, request: HttpRequest, queryset: QuerySet[Command], act: str, do: Callable[[Command], Any]) -> int:
        """Do it to each, on record; what is refused is said and the others go on."""
        done = 0
        for command in queryset.select_related("meter__company").order_by("pk"):
            try:
                _on_record(command, act, do, by=cast(User, request.user))
            except Refused as refusal:
                self.message_user(request, f"{command.pk}: {refusal.message}", level=messages.WARNING)
            else:
                done += 1
        return done


def kinds_allowed(user: User) -> list[CommandKind]:
    """What this person may ask of a meter."""
    asked = {CommandKind.VALVE: SEND_VALVE_COMMAND, CommandKind.RECHARGE: RECHARGE}
    return [kind for kind, permission in asked.items() if user.has_perm(permission)]


@transaction.atomic
def _on_record(command: Command, act: str, do: Callable[[Command], Command], *, by: User) -> None:
    # The meter is locked first, so that what the record calls "before" is what the act found.
    Account.objects.select_for_update().get(meter=command.meter_id)
    command.refresh_from_db()
    before = str(command.state)
    done = do(command)
    put_on_record(
        by=by,
        act=f"command.{act}",
        target=command,
        company=command.meter.company,
        before={"state": before},
        after={"state": str(done.state), "command": done.pk},
    )


def _replay(command: Command, by: User) -> Command:
    return replay(command, by=by, now=timezone.now())


def _cancel(command: Command, by: User) -> Command:
    cancel_command(command, by=by.get_username(), now=timezone.now())
    return command


name_acts({"command.replay": _("ask again with a new command"), "command.cancel": _("cancel the command")})


@admin.register(CommandEvent)
class CommandEventAdmin(LargeTableAdmin):
    company_path = "command__meter__company"
    list_display = ["at", "command", "from_state", "to_state", "told"]
    list_select_related = ["command"]
    list_filter = [("command", LinkedFilter)]
    search_fields: ClassVar[Any] = ["=command__meter__meter_no", "=command__serial_no"]
    search_help_text = _("A whole meter number, or the serial number of the request")
    ordering = ["-id"]
    fields: ClassVar[Any] = ["command", "at", "from_state", "to_state", "told"]

    @admin.display(description=_("cause"))
    def told(self, event: CommandEvent) -> str:
        return in_words(event)
