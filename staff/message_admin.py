"""The ledger of what came in and the outbox of what goes out: lists, pages and what staff may do to messages."""

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from protocol.ledger import under_serial
from protocol.models import DeliveryState, InboundMessage, OutboundAttempt, OutboundMessage
from staff import message_acts
from staff.admin_base import LargeTableAdmin, LinkedFilter, ReadOnlyTable, link_column, list_url, pretty_json
from staff.failures import failure_words
from staff.inbound_again import ProcessAgain
from staff.message_acts import SEND, WITHDRAW, MessageAct
from staff.message_filters import CodeFilter, CompanyFilter, DayFilter, DayReceivedFilter, StateFilter
from staff.once import PageInvalid, PageSent, new_token, spend
from staff.reconcile_page import Reconciles

STATE_LABELS = {
    DeliveryState.PENDING: "info",
    DeliveryState.DELIVERED: "success",
    DeliveryState.REJECTED: "danger",
    DeliveryState.DEAD: "danger",
    DeliveryState.WITHDRAWN: "primary",
}


class PrettyTexts(BaseModelAdmin):
    """The JSON of a message or an attempt, laid out for reading."""

    # A list does without them: fifty bodies of the largest size are 50 MB.
    texts: tuple[str, ...] = ("body", "answer")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*self.texts)

    @admin.display(description=_("peer"))
    def peer_name(self, row: InboundMessage | OutboundMessage) -> str:
        return row.peer.name

    @admin.display(description=_("body"))
    def pretty_body(self, row: InboundMessage | OutboundMessage) -> SafeString:
        return pretty_json(row.body)

    @admin.display(description=_("answer"))
    def pretty_answer(self, row: InboundMessage | OutboundMessage | OutboundAttempt) -> SafeString:
        return pretty_json(row.answer)


@admin.register(InboundMessage)
class InboundMessageAdmin(ProcessAgain, PrettyTexts, LargeTableAdmin):
    company_path = "company"
    list_display = ["serial_no", "code", "peer_name", "outcome", "echo_code", "received_at"]
    list_select_related = ["peer"]
    list_filter = ["succeeded", CodeFilter, "peer", CompanyFilter, DayReceivedFilter]
    search_fields = ["serial_no__exact"]
    search_help_text = _("The whole serial number, as long as it is remembered")
    ordering = ["-received_at", "-id"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["peer", "company", "code", "serial_no", "received_at"]}),
        (_("Outcome"), {"fields": ["succeeded", "echo_code", "pretty_answer"]}),
        (_("Message"), {"fields": ["pretty_body", "hex_digest"]}),
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[InboundMessage], search_term: str
    ) -> tuple[QuerySet[InboundMessage], bool]:
        """By the indexes of what was refused and of what is spent: the messages themselves have none of all serials."""
        term = search_term.strip()
        return (queryset.filter(under_serial(term)) if term else queryset), False

    @display(description=_("outcome"), label={True: "success", False: "danger"})
    def outcome(self, message: InboundMessage) -> tuple[bool, Any]:
        return message.succeeded, _("processed") if message.succeeded else _("refused")

    @admin.display(description=_("digest"))
    def hex_digest(self, message: InboundMessage) -> str:
        return bytes(message.digest).hex()


class Failures(BaseModelAdmin):
    @admin.display(description=_("error"))
    def failure(self, attempt: OutboundAttempt) -> SafeString | str:
        """In words, and as the library told it for who has to look deeper."""
        words = failure_words(attempt.error)
        if words == attempt.error:
            return words
        return format_html('{}<br><code class="das-muted" lang="en">{}</code>', words, attempt.error)


class AttemptTable(Failures, PrettyTexts, ReadOnlyTable):
    model = OutboundAttempt
    texts = ()
    fields = ["attempted_at", "duration_ms", "http_status", "echo_code", "failure", "pretty_answer"]


@admin.register(OutboundMessage)
class OutboundMessageAdmin(Reconciles, PrettyTexts, LargeTableAdmin):
    company_path = "company"
    list_display = [
        "serial_no",
        "code",
        "peer_name",
        "shown_state",
        "last_failure",
        "tries",
        "created_at",
        "stuck_at",
    ]
    list_select_related = ["peer"]
    list_filter = [("state", StateFilter), CodeFilter, "peer", CompanyFilter, DayFilter, ("lane", LinkedFilter)]
    search_fields = ["serial_no__exact"]
    search_help_text = _("The whole serial number")
    ordering = ["-created_at", "-id"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["peer", "company", "code", "serial_no", "lane"]}),
        (
            _("Delivery"),
            {
                "fields": [
                    *("state", "last_failure", "once_only", "tries"),
                    *("created_at", "claimed_at", "finished_at", "withdrawn_at", "linked_lists"),
                ]
            },
        ),
        (_("Message"), {"fields": ["pretty_body", "pretty_answer"]}),
    ]
    inlines = [AttemptTable]
    actions = ["send_again", "withdraw"]
    change_form_outer_before_template = "staff/outbound_buttons.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the outcome of the last try, looked up once per row shown."""
        own = {"message": OuterRef("pk"), "message_created_at": OuterRef("created_at")}
        told = JSONObject(error="error", echo_code="echo_code", http_status="http_status")
        last = OutboundAttempt.objects.filter(**own).order_by("-id").values(told=told)
        return super().get_queryset(request).annotate(last_try=Subquery(last[:1]))

    @display(description=_("state"), label=STATE_LABELS)
    def shown_state(self, message: OutboundMessage) -> tuple[str, str]:
        return message.state, message.get_state_display()

    @admin.display(description=_("last failure"))
    def last_failure(self, message: Any) -> str:
        if message.state == DeliveryState.DELIVERED or message.last_try is None:
            return ""
        last = message.last_try
        status = f"HTTP {last['http_status']}" if last["http_status"] else ""
        return failure_words(last["error"]) or last["echo_code"] or status

    def extra_lists(self, obj: OutboundMessage) -> Iterable[tuple[str, str]]:
        return [(str(_("Outbound messages of this lane")), list_url(OutboundMessage, lane=obj.lane))]

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(SEND.permission))

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(WITHDRAW.permission))

    @admin.action(description=_("Send again … (count first)"), permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboundMessage]) -> HttpResponse | None:
        return self._ask(request, queryset, SEND)

    @admin.action(description=_("Withdraw … (count first)"), permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[OutboundMessage]) -> HttpResponse | None:
        return self._ask(request, queryset, WITHDRAW)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id)
        able = [
            {"action": action, "label": act.label}
            for action, act in (("send_again", SEND), ("withdraw", WITHDRAW))
            if row is not None
            and request.user.has_perm(act.permission)
            and OutboundMessage.objects.filter(act.able, pk=row.pk).exists()
        ]
        shown = {"outbound_buttons": able, "outbound": row, "outbound_list": reverse(_LIST)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def _ask(self, request: HttpRequest, queryset: QuerySet[OutboundMessage], act: MessageAct) -> HttpResponse | None:
        """The page that says how many, or what it asked for once its button is pressed and no more have come up."""
        plan = message_acts.plan(act, queryset)
        counted = request.POST.get("counted", "")
        if request.POST.get("post") == "yes" and counted.isdecimal() and plan.count <= int(counted):
            return self._do(request, queryset, act)
        every = request.POST.get("select_across") == "1"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": act.label,
            "says": act.says,
            "plan": plan,
            "every": every,
            "most": message_acts.MOST,
            "hidden": [
                *(("action", request.POST["action"]), ("select_across", "1" if every else "0")),
                *((ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)),
                *(("counted", plan.count), ("back", request.POST.get("back", ""))),
                ("token", new_token(user=cast(User, request.user), purpose=act.name)),
            ],
            "back": _back(request) or request.get_full_path(),
        }
        return TemplateResponse(request, "staff/messages_confirm.html", context)

    def _do(self, request: HttpRequest, queryset: QuerySet[OutboundMessage], act: MessageAct) -> HttpResponse | None:
        every, by, now = request.POST.get("select_across") == "1", cast(User, request.user), timezone.now()
        chosen, back = f"?{request.GET.urlencode()}" if every else "", _back(request)
        try:
            spend(request.POST.get("token", ""), user=by, purpose=act.name, now=now)
        except (PageSent, PageInvalid) as refusal:
            self.message_user(request, refusal.words, messages.WARNING)
            return HttpResponseRedirect(back) if back else None
        done = message_acts.perform(act, queryset, by=by, chosen=chosen, now=now)
        told = (
            ngettext("%(count)d message will be sent again.", "%(count)d messages will be sent again.", done)
            if act is SEND
            else ngettext("%(count)d message is withdrawn.", "%(count)d messages are withdrawn.", done)
        )
        self.message_user(request, told % {"count": done}, messages.SUCCESS if done else messages.WARNING)
        return HttpResponseRedirect(back) if back else None


_LIST = "admin:protocol_outboundmessage_changelist"


def _back(request: HttpRequest) -> str:
    """The page of the one message, when it was asked from there."""
    pk = request.POST.get("back", "")
    return reverse("admin:protocol_outboundmessage_change", args=[pk]) if pk.isdecimal() else ""


@admin.register(OutboundAttempt)
class OutboundAttemptAdmin(Failures, PrettyTexts, LargeTableAdmin):
    company_path = "message__company"
    texts = ("answer", "message__body", "message__answer")
    list_display = ["attempted_at", "message_page", "http_status", "echo_code", "duration_ms", "failure"]
    list_select_related = ["message"]
    list_filter = [("message", LinkedFilter)]
    search_fields = ["message__serial_no__exact"]
    search_help_text = _("The whole serial number of the message")
    ordering = ["-id"]
    fields = ["message", "attempted_at", "duration_ms", "http_status", "echo_code", "failure", "pretty_answer"]
    message_page = staticmethod(link_column("message", _("message")))
