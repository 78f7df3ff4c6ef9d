"""Commands and their history. What staff may ask of them is in the rooms that show their whole story."""

from typing import Any, ClassVar

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from commands.causes import in_words
from commands.models import Command, CommandEvent, CommandKind
from meters.admin import OfMeterAdmin
from staff.admin_base import LargeTableAdmin, LinkedFilter, ReadOnlyTable


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

    @admin.display(description=_("what is asked"))
    def asked(self, command: Command) -> str:
        if command.kind == CommandKind.RECHARGE:
            return gettext("Recharge of %(amount)s CNY") % {"amount": command.payload.get("rechargeAmount", "")}
        return gettext("Open the valve") if command.payload["valveSet"] == "0" else gettext("Close the valve")


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
