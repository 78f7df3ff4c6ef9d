"""Companies, manufacturers and peers."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from protocol import breaker
from protocol.models import Company, Manufacturer, Peer, PeerHealth
from staff.admin_base import (
    LinkedFilter,
    ReadOnlyAdmin,
    ReferredTo,
    list_url,
)
from staff.admin_forms import PeerForm

# Registered on import.
from staff import acts_admin, message_admin, people_admin  # noqa: F401  isort:skip

admin.site.site_header = _("Gas meter data acquisition")
admin.site.site_title = _("Gas meter data acquisition")
admin.site.index_title = _("Overview")
admin.site.site_url = None


@admin.register(Company)
class CompanyAdmin(ReferredTo):
    company_path = "pk"
    shared = True
    list_display = ["code", "name", "created_at"]
    list_display_links = ["code", "name"]
    search_fields = ["code", "name"]
    search_help_text = _("Company code or name")
    fields = ["code", "name", "created_at", "linked_lists"]
    readonly_fields = ["created_at", "linked_lists"]


@admin.register(Manufacturer)
class ManufacturerAdmin(ReferredTo):
    # Of those whose meters the company has: a meter has a price of its company and manufacturer.
    company_path = "prices__company"
    shared = True
    list_display = ["factor_no", "name", "created_at"]
    list_display_links = ["factor_no", "name"]
    search_fields = ["factor_no", "name"]
    search_help_text = _("Manufacturer code or name")
    fields = ["factor_no", "name", "created_at", "linked_lists"]
    readonly_fields = ["created_at", "linked_lists"]


@admin.register(Peer)
class PeerAdmin(ReferredTo):
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Peer]:
        peers = super().get_queryset(request).defer("app_secret")
        return peers.select_related("health").prefetch_related("companies", "manufacturers")

    def get_fieldsets(self, request: HttpRequest, obj: Peer | None = None) -> Any:
        secret = ["secret"] if self._may_write(request, obj) else []
        shown: list[Any] = [
            (None, {"fields": ["kind", "name", "is_active"]}),
            (_("On the wire"), {"fields": ["app_code", *secret, "url", "allowed_addresses"]}),
            (_("Speaks for"), {"fields": ["companies", "manufacturers"]}),
        ]
        if obj is not None:
            shown.append((_("Records"), {"fields": ["sending", "created_at", "linked_lists"]}))
        return shown

    def get_readonly_fields(self, request: HttpRequest, obj: Peer | None = None) -> list[str]:
        return [] if obj is None else ["kind", "sending", "created_at", "linked_lists"]

    def has_delete_permission(self, request: HttpRequest, obj: Peer | None = None) -> bool:
        # Only a peer that is out of use is worth the search for its messages.
        return obj is not None and not obj.is_active and super().has_delete_permission(request, obj)

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

    def _may_write(self, request: HttpRequest, obj: Peer | None) -> bool:
        return self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)


@admin.register(PeerHealth)
class PeerHealthAdmin(ReadOnlyAdmin):
    company_path = "peer__companies"
    list_display = ["peer", "sending", "failure_rate", "paused_until", "held_by"]
    list_select_related = ["peer"]
    ordering = ["-failure_rate", "peer"]
    search_fields = ["peer__app_code", "peer__name"]
    search_help_text = _("App code or name")
    list_filter = [("peer", LinkedFilter)]
    fields: ClassVar[Any] = [
        *("peer", "sending", "failure_rate", "results", "noted_at", "openings", "paused_until"),
        *("held_at", "held_by", "held_reason"),
    ]
    actions = ["resume"]

    @admin.display(description=_("sending"))
    def sending(self, health: PeerHealth) -> str:
        return breaker.sending_state(health, now=timezone.now())

    @admin.action(description=_("Resume sending now"), permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[PeerHealth]) -> None:
        resumed = breaker.resume(queryset, now=timezone.now())
        told = ngettext("Sending to %(count)d peer is resumed.", "Sending to %(count)d peers is resumed.", resumed)
        self.message_user(request, told % {"count": resumed})
