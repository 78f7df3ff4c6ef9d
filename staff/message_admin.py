"""The ledger of what came in and the outbox of what goes out: lists, pages and what staff may do to messages."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import get_resolver
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from protocol import undelivered
from protocol.models import InboundMessage, OutboundAttempt, OutboundMessage
from staff.admin_base import LargeTableAdmin, LinkedFilter, ReadOnlyTable, link_column, list_url, pretty_json


class CodeFilter(admin.SimpleListFilter):
    """Offers the codes that the interface knows: asking the table for them would read all of it."""

    title = _("message code")
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = get_resolver().reverse_dict
        return [(name, name) for name in sorted(n for n in names if isinstance(n, str) and n.isdecimal())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(code=self.value())


class PrettyTexts(BaseModelAdmin):
    """The JSON of a message or an attempt, laid out for reading."""

    # A list does without them: fifty bodies of the largest size are 50 MB.
    texts: tuple[str, ...] = ("body", "answer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*self.texts)

    @admin.display(description=_("body"))
    def pretty_body(self, row: InboundMessage | OutboundMessage) -> SafeString:
        return pretty_json(row.body)

    @admin.display(description=_("answer"))
    def pretty_answer(self, row: InboundMessage | OutboundMessage | OutboundAttempt) -> SafeString:
        return pretty_json(row.answer)


@admin.register(InboundMessage)
class InboundMessageAdmin(PrettyTexts, LargeTableAdmin):
    company_path = "company"
    list_display = ["serial_no", "code", "peer", "succeeded", "echo_code", "received_at"]
    list_select_related = ["peer"]
    list_filter = ["succeeded", "received_at", CodeFilter, "peer"]
    search_fields = ["serial_no__exact"]
    search_help_text = _("The whole serial number")
    ordering = ["-received_at", "-id"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["peer", "company", "code", "serial_no", "received_at"]}),
        (_("Outcome"), {"fields": ["succeeded", "echo_code", "pretty_answer"]}),
        (_("Message"), {"fields": ["pretty_body", "hex_digest"]}),
    ]

    @admin.display(description=_("digest"))
    def hex_digest(self, message: InboundMessage) -> str:
        return bytes(message.digest).hex()


class AttemptTable(PrettyTexts, ReadOnlyTable):
    model = OutboundAttempt
    texts = ()
    fields = ["attempted_at", "duration_ms", "http_status", "echo_code", "error", "pretty_answer"]


@admin.register(OutboundMessage)
class OutboundMessageAdmin(PrettyTexts, LargeTableAdmin):
    company_path = "company"
    list_display = ["serial_no", "code", "peer", "lane", "state", "tries", "created_at", "stuck_at"]
    list_select_related = ["peer"]
    list_filter = ["state", CodeFilter, "peer", ("lane", LinkedFilter)]
    search_fields = ["serial_no__exact"]
    search_help_text = _("The whole serial number")
    ordering = ["-id"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["peer", "company", "code", "serial_no", "lane"]}),
        (_("Delivery"), {"fields": ["state", "tries", "created_at", "claimed_at", "finished_at", "linked_lists"]}),
        (_("Message"), {"fields": ["pretty_body", "pretty_answer"]}),
    ]
    inlines = [AttemptTable]
    actions = ["send_again"]

    def extra_lists(self, obj: OutboundMessage) -> Iterable[tuple[str, str]]:
        return [(str(_("Outbound messages of this lane")), list_url(OutboundMessage, lane=obj.lane))]

    @admin.action(description=_("Send again (dead and rejected ones)"), permissions=["act"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboundMessage]) -> None:
        again = undelivered.send_again(queryset, now=timezone.now())
        told = ngettext("%(count)d message will be sent again.", "%(count)d messages will be sent again.", again)
        self.message_user(request, told % {"count": again})


@admin.register(OutboundAttempt)
class OutboundAttemptAdmin(PrettyTexts, LargeTableAdmin):
    company_path = "message__company"
    texts = ("answer", "message__body", "message__answer")
    list_display = ["attempted_at", "message_page", "http_status", "echo_code", "duration_ms", "error"]
    list_select_related = ["message"]
    list_filter = [("message", LinkedFilter)]
    search_fields = ["message__serial_no__exact"]
    search_help_text = _("The whole serial number of the message")
    ordering = ["-id"]
    fields = ["message", "attempted_at", "duration_ms", "http_status", "echo_code", "error", "pretty_answer"]
    message_page = staticmethod(link_column("message", _("message")))
