"""Prices, their versions and tiers. They come over the interface (1007), which checks them; here they are read."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pricing.models import Price, PriceKind, PriceTier, PriceVersion
from staff.admin_base import LinkedFilter, ReadOnlyAdmin, ReadOnlyTable, link_column


class TiersInOneLine:
    """Needs the tiers prefetched."""

    @admin.display(description=_("unit prices (CNY/m³)"))
    def tiers_in_one_line(self, version: PriceVersion) -> str:
        return "; ".join(_tier_text(tier) for tier in version.tiers.all())


class VersionTable(TiersInOneLine, ReadOnlyTable):
    model = PriceVersion
    fields = ["version", "kind", "effective_from", "cycle_months", "restarts_cycle", "tiers_in_one_line", "applied_at"]
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceVersion]:
        return super().get_queryset(request).prefetch_related("tiers")


class TierTable(ReadOnlyTable):
    model = PriceTier
    fields = ["position", "lower", "upper", "unit_price"]


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    company_path = "company"
    list_display = ["code", "company", "manufacturer", "current_version", "current_kind", "created_at"]
    list_select_related = ["company", "manufacturer"]
    list_filter = ["company", "manufacturer"]
    search_fields = ["code"]
    search_help_text = _("Price code")
    ordering = ["company", "manufacturer", "code"]
    fields = ["code", "company", "manufacturer", "created_at", "linked_lists"]
    inlines = [VersionTable]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        in_effect = PriceVersion.objects.filter(price=OuterRef("pk")).in_effect(timezone.localdate())
        return (
            super()
            .get_queryset(request)
            .annotate(
                version_now=Subquery(in_effect.values("version")[:1]), kind_now=Subquery(in_effect.values("kind")[:1])
            )
        )

    @admin.display(description=_("version in effect"))
    def current_version(self, price: Any) -> str | None:
        return price.version_now

    @admin.display(description=_("kind"))
    def current_kind(self, price: Any) -> Any:
        return PriceKind(price.kind_now).label if price.kind_now else None


@admin.register(PriceVersion)
class PriceVersionAdmin(TiersInOneLine, ReadOnlyAdmin):
    company_path = "price__company"
    list_display = [
        "version",
        "price_page",
        "kind",
        "effective_from",
        "cycle_months",
        "restarts_cycle",
        "tiers_in_one_line",
    ]
    list_filter = ["kind", "price__company", "price__manufacturer", ("price", LinkedFilter)]
    search_fields = ["price__code", "version"]
    search_help_text = _("Price code or version")
    ordering = ["-id"]
    fields = [
        "price",
        "version",
        "kind",
        "effective_from",
        "cycle_months",
        "restarts_cycle",
        "applied_at",
        "created_at",
        "linked_lists",
    ]
    inlines = [TierTable]
    price_page = staticmethod(link_column("price", _("price")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceVersion]:
        return super().get_queryset(request).select_related("price").prefetch_related("tiers")


@admin.register(PriceTier)
class PriceTierAdmin(ReadOnlyAdmin):
    company_path = "version__price__company"
    list_display = ["__str__", "version_page", "position", "lower", "upper", "unit_price"]
    list_select_related = ["version__price"]
    list_filter = ["position", ("version", LinkedFilter)]
    search_fields = ["version__price__code", "version__version"]
    search_help_text = _("Price code or version")
    ordering = ["-version", "position"]
    fields = ["version", "position", "lower", "upper", "unit_price"]
    version_page = staticmethod(link_column("version", _("version")))


def _tier_text(tier: PriceTier) -> str:
    """ "50-100: 3.5"; a single price is only its figure."""
    lower, upper, unit_price = (_plain(value) for value in (tier.lower, tier.upper, tier.unit_price))
    if upper:
        return f"{lower}-{upper}: {unit_price}"
    return f">{lower}: {unit_price}" if tier.lower else unit_price


def _plain(value: Any) -> str:
    return "" if value is None else f"{value.normalize():f}"
