"""Commands and their history. What staff may ask of them is in the rooms that show their whole story."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from commands.causes import asked_in_words, in_words
from commands.models import Command, CommandEvent
from meters.admin import OfMeterAdmin, numbered
from meters.models import Meter
from protocol.models import Peer
from staff.admin_base import LargeTableAdmin, LinkedFilter

# Of one number, whose events are found.
MOST_COMMANDS = 1_000


@admin.register(Command)
class CommandAdmin(OfMeterAdmin):
    list_display = ["id", "meter_page", "asked", "state", "origin", "queued_at", "sent_at", "finished_at"]
    list_display_links = ["id"]
    list_filter = ["state", "kind", "origin", ("meter", LinkedFilter), ("peer", LinkedFilter)]
    ordering = ["-id"]
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
        return asked_in_words(command)


@admin.register(CommandEvent)
class CommandEventAdmin(LargeTableAdmin):
    company_path = "command__meter__company"
    list_display = ["at", "command", "from_state", "to_state", "told"]
    list_select_related = ["command"]
    list_filter = [("command", LinkedFilter)]
    search_fields: ClassVar[Any] = ["command__meter__meter_no", "command__serial_no"]
    search_help_text = _("A whole meter number, or the serial number of the request")
    ordering = ["-id"]
    fields: ClassVar[Any] = ["command", "at", "from_state", "to_state", "told"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the commands of a meter, or of a request: each through an index, with the peers named for theirs."""
        term = search_term.strip()
        if not term:
            return queryset, False
        meters = list(Meter.objects.filter(numbered(term)).values_list("pk", flat=True))
        peers = list(Peer.objects.values_list("pk", flat=True))
        keys: set[int] = set()
        for which in ({"meter__in": meters}, {"peer__in": peers, "serial_no": term}):
            found = Command.objects.filter(**which).order_by("-pk")
            keys.update(found.values_list("pk", flat=True)[:MOST_COMMANDS])
        return queryset.filter(command__in=keys), False

    @admin.display(description=_("cause"))
    def told(self, event: CommandEvent) -> str:
        return in_words(event)
