"""Commands and their stories; staff replay and cancel through the same services as everybody."""

from collections.abc import Callable
from typing import Any, ClassVar

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
from commands.models import Command, CommandEvent
from commands.replay import replay
from meters.admin import OfMeterAdmin
from meters.models import Account
from protocol.errors import Refused
from staff.admin_base import LargeTableAdmin, LinkedFilter, ReadOnlyTable


class EventInline(ReadOnlyTable):
    model = CommandEvent
    fields: ClassVar[Any] = ["at", "from_state", "to_state", "cause"]


@admin.register(Command)
class CommandAdmin(OfMeterAdmin):
    list_display = ["id", "meter_page", "kind", "payload", "state", "origin", "queued_at", "sent_at", "finished_at"]
    list_display_links = ["id"]
    list_filter = ["state", "kind", "origin", ("meter", LinkedFilter), ("peer", LinkedFilter)]
    ordering = ["-id"]
    inlines: ClassVar[Any] = [EventInline]
    actions = ["replay", "cancel"]
    fields: ClassVar[Any] = [
        "meter",
        ("kind", "payload"),
        "state",
        ("origin", "peer", "serial_no", "requested_by"),
        ("queued_at", "expires_at", "sent_at", "finished_at", "cancel_asked_at"),
        "message",
        "replay_of",
        "linked_lists",
    ]

    autocomplete_fields: ClassVar[Any] = ["meter"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("commands.add_command"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": StaffCommandForm}), **kwargs)

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

    @admin.action(description=_("Ask again with a new command"), permissions=["act"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Command]) -> None:
        user = request.user
        assert isinstance(user, User)
        done = self._each(request, queryset, lambda command: replay(command, by=user, now=timezone.now()))
        self.message_user(request, gettext("%(count)d commands asked again.") % {"count": done})

    @admin.action(description=_("Cancel"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Command]) -> None:
        done = self._each(request, queryset, lambda command: self._cancel(command, user=str(request.user)))
        self.message_user(request, gettext("%(count)d cancellations asked.") % {"count": done})

    @transaction.atomic
    def _cancel(self, command: Command, *, user: str) -> None:
        Account.objects.select_for_update().get(meter=command.meter_id)
        command.refresh_from_db()
        cancel_command(command, cause=f"cancelled by {user}", now=timezone.now())

    def _each(self, request: HttpRequest, queryset: QuerySet[Command], act: Callable[[Command], Any]) -> int:
        """Act on each; what is refused is said and the others go on."""
        done = 0
        for command in queryset.select_related("meter").order_by("pk"):
            try:
                act(command)
            except Refused as refusal:
                self.message_user(request, f"{command.pk}: {refusal.message}", level=messages.WARNING)
            else:
                done += 1
        return done


@admin.register(CommandEvent)
class CommandEventAdmin(LargeTableAdmin):
    company_path = "command__meter__company"
    list_display = ["at", "command", "from_state", "to_state", "cause"]
    list_select_related = ["command"]
    list_filter = [("command", LinkedFilter)]
    search_fields: ClassVar[Any] = ["=command__meter__meter_no", "=command__serial_no"]
    search_help_text = _("A whole meter number, or the serial number of the request")
    ordering = ["-id"]
    fields: ClassVar[Any] = ["command", "at", "from_state", "to_state", "cause"]
