"""Readings as they came and the daily usage settled from them. Nobody alters them; here they are read."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from meters.admin import OfMeterAdmin
from pricing.models import Price
from readings.models import DailyUsage, Decision, Quality, Reading, ReadingReview
from readings.price_pages import PricePage
from readings.review_pages import ReviewPage
from staff.admin_base import LinkedFilter

QUALITY_LABELS = {quality: "success" if quality == Quality.VALID else "warning" for quality in Quality}

# With the page that knows what meters have used.
admin.site.unregister(Price)
admin.site.register(Price, PricePage)


class QualityFilter(admin.SimpleListFilter):
    title = _("quality")
    parameter_name = "quality"
    FLAGGED = "flagged"
    UNDECIDED = "undecided"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (self.UNDECIDED, _("flagged, to be reviewed")),
            (self.FLAGGED, _("all flagged ones")),
            *Quality.choices,
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Reading]) -> QuerySet[Reading]:
        if self.value() is None:
            return queryset
        if self.value() == self.FLAGGED:
            return queryset.exclude(quality=Quality.VALID)
        if self.value() == self.UNDECIDED:
            return queryset.exclude(quality=Quality.VALID).filter(decision=Decision.NONE)
        return queryset.filter(quality=self.value())


@admin.register(Reading)
class ReadingAdmin(ReviewPage, OfMeterAdmin):
    list_display = ["read_at", "meter_page", "index", "shown_quality", "decision", "source", "valve", "received_at"]
    list_filter = [QualityFilter, "read_at", ("meter", LinkedFilter)]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["meter", ("read_at", "index"), ("quality", "decision"), ("source", "received_at")]}),
        (_("Condition of the meter"), {"fields": [("valve", "battery_voltage"), ("signal_percent", "temperature")]}),
        (
            _("Flow"),
            {"fields": [("standard_total", "working_total"), ("standard_flow", "working_flow"), "pressure"]},
        ),
        (
            _("Billed by the meter"),
            {"fields": [("reported_price", "reported_balance"), ("reported_volume", "reported_amount")]},
        ),
    ]

    @display(description=_("quality"), label=QUALITY_LABELS)
    def shown_quality(self, reading: Reading) -> tuple[str, str]:
        return reading.quality, reading.get_quality_display()

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        return ["-read_at"]


@admin.register(DailyUsage)
class DailyUsageAdmin(OfMeterAdmin):
    list_display = ["day", "meter_page", "tier", "volume", "unit_price", "amount"]
    list_filter = ["day", ("meter", LinkedFilter)]
    fields = ["meter", "day", "tier", "volume", "unit_price", "amount"]

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        """Of each meter the newest first: in the order of the key, which no list has to sort."""
        return ["-meter_id", "-day", "-tier"]


@admin.register(ReadingReview)
class ReadingReviewAdmin(OfMeterAdmin):
    list_display = ["at", "meter_page", "read_at", "index", "decision", "quality_before", "quality_after", "by", "note"]
    list_select_related = ["meter", "by"]
    list_filter = ["decision", ("meter", LinkedFilter)]
    ordering = ["-id"]
    fields: ClassVar[Any] = [
        "meter",
        ("read_at", "index"),
        ("decision", "quality_before", "quality_after"),
        ("by", "at"),
        "note",
    ]
