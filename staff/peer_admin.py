"""Peers, and how sending to them goes. Who sees only some of a shared peer's companies looks, and changes nothing."""

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from protocol import breaker
from protocol.models import BreakerState, Peer, PeerHealth
from staff.admin_base import LinkedFilter, ReadOnlyAdmin, ReferredTo, list_url
from staff.admin_forms import PeerForm
from staff.peer_acts import PeerActs, owns, resume_on_record
from staff.permissions import PAUSE_PEER
from staff.scope import sees_all

# By staff, or by the breaker until a message gets through.
PAUSED = ~Q(state=BreakerState.CLOSED) | Q(held_at__isnull=False)
RECORDS = ["sending", "previous_secret_until", "created_at"]


@admin.register(Peer)
class PeerAdmin(PeerActs, ReferredTo):
    change_form_outer_before_template = "staff/peer_buttons.html"
    company_path = "companies"
    form = PeerForm
    list_display = [
        "app_code",
        "name",
        "kind",
        "is_active",
        "url",
        "served_companies",
        "served_manufacturers",
        "sending",
    ]
    list_display_links = ["app_code", "name"]
    list_filter = ["kind", "is_active"]
    search_fields = ["app_code", "name", "companies__code", "manufacturers__factor_no"]
    search_help_text = _("App code, name, company code or manufacturer code")
    autocomplete_fields = ["companies", "manufacturers"]

    def has_change_permission(self, request: HttpRequest, obj: Peer | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or owns(cast(User, request.user), obj))

    def get_form(self, request: HttpRequest, obj: Peer | None = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        # The class was made for this request.
        form.names_companies = not sees_all(request.user)
        return form

    def get_queryset(self, request: HttpRequest) -> QuerySet[Peer]:
        peers = super().get_queryset(request).defer("app_secret", "previous_secret")
        return peers.select_related("health").prefetch_related("companies", "manufacturers")

    def get_fieldsets(self, request: HttpRequest, obj: Peer | None = None) -> Any:
        secret = ["secret"] if obj is None else []
        shown: list[Any] = [
            (None, {"fields": ["kind", "name", "is_active"]}),
            (_("On the wire"), {"fields": ["app_code", *secret, "url", "allowed_addresses"]}),
            (_("Sending to this peer"), {"fields": ["max_concurrency", "max_per_second"]}),
            (_("Speaks for"), {"fields": ["companies", "manufacturers"]}),
        ]
        if obj is not None:
            shown.append((_("Records"), {"fields": [*RECORDS, "linked_lists"]}))
        return shown

    def get_readonly_fields(self, request: HttpRequest, obj: Peer | None = None) -> list[str]:
        return [] if obj is None else ["kind", *RECORDS, "linked_lists"]

    def has_delete_permission(self, request: HttpRequest, obj: Peer | None = None) -> bool:
        # Only a peer that is out of use is worth the search for its messages.
        may = obj is not None and not obj.is_active and owns(cast(User, request.user), obj)
        return may and super().has_delete_permission(request, obj)

    @admin.display(description=_("companies"))
    def served_companies(self, peer: Peer) -> str:
        return ", ".join(company.code for company in peer.companies.all())

    @admin.display(description=_("manufacturers"))
    def served_manufacturers(self, peer: Peer) -> str:
        return ", ".join(manufacturer.factor_no for manufacturer in peer.manufacturers.all())

    def extra_lists(self, obj: Peer) -> Iterable[tuple[str, str]]:
        return [(str(capfirst(PeerHealth._meta.verbose_name)), list_url(PeerHealth, peer=obj.pk))]

    @admin.display(description=_("sending"))
    def sending(self, peer: Peer) -> str:
        return breaker.sending_state(getattr(peer, "health", None), now=timezone.now()) if peer.url else ""


class SendingFilter(admin.SimpleListFilter):
    title = _("sending")
    parameter_name = "sending"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("paused", _("paused")), ("on", _("goes on"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PeerHealth]) -> QuerySet[PeerHealth]:
        chosen = {"paused": PAUSED, "on": ~PAUSED}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(PeerHealth)
class PeerHealthAdmin(ReadOnlyAdmin):
    company_path = "peer__companies"
    list_display = ["peer", "sending", "failure_rate", "paused_until", "held_by"]
    list_select_related = ["peer"]
    ordering = ["-failure_rate", "peer"]
    search_fields = ["peer__app_code", "peer__name"]
    search_help_text = _("App code or name")
    list_filter = [SendingFilter, ("peer", LinkedFilter)]
    fields: ClassVar[Any] = [
        *("peer", "sending", "failure_rate", "results", "noted_at", "openings", "paused_until"),
        *("held_at", "held_by", "held_reason"),
    ]
    actions = ["resume"]

    @admin.display(description=_("sending"))
    def sending(self, health: PeerHealth) -> str:
        return breaker.sending_state(health, now=timezone.now())

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(PAUSE_PEER))

    @admin.action(description=_("Resume sending now"), permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[PeerHealth]) -> None:
        by = cast(User, request.user)
        mine = [health.peer for health in queryset.select_related("peer") if owns(by, health.peer)]
        resumed = sum(resume_on_record(peer, by=by) for peer in mine)
        told = ngettext("Sending to %(count)d peer is resumed.", "Sending to %(count)d peers is resumed.", resumed)
        self.message_user(request, told % {"count": resumed})
