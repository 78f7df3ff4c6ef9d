"""The page of a price: the tiers in effect as a table and as steps, and a calculator."""

import json
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from meters.admin import numbered
from meters.models import Meter
from pricing.admin import PriceAdmin
from pricing.models import Price, PriceTier
from pricing.services import version_on
from pricing.tiers import TierPart
from protocol.wire import decimal_text
from readings.calculator import Quote, quote, quote_for
from staff.scope import within

Json = dict[str, Any]


class VolumeField(forms.DecimalField):
    """m3, as exact as the platform keeps them."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
        super().__init__(min_value=0, max_digits=14, decimal_places=4, widget=widget, **options)


class CalculatorForm(forms.Form):
    """A volume on a day, after what a meter, or what the form says, has used in the cycle."""

    prefix = "calc"
    volume = VolumeField(label=gettext_lazy("volume (m³)"))
    day = forms.DateField(
        label=gettext_lazy("day"), widget=UnfoldAdminDateWidget(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    meter = forms.CharField(
        label=gettext_lazy("meter or user number"),
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("With a meter, what it has used of the cycle before that day counts."),
    )
    used = VolumeField(label=gettext_lazy("or used in the cycle before (m³)"), required=False)

    def __init__(self, *args: Any, request: HttpRequest, price: Price, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.price = request, price

    def clean_meter(self) -> Meter | None:
        number = self.cleaned_data["meter"].strip()
        if not number:
            return None
        mine = within(Meter.objects.filter(company=self.price.company_id), user=self.request.user, company="company")
        meter = mine.filter(numbered(number)).order_by("-pk").first()
        if meter is None:
            raise forms.ValidationError(_("No such meter at the company of this price."))
        return meter

    def quote(self) -> Quote:
        said = self.cleaned_data
        if said["meter"] is not None:
            return quote_for(said["meter"], self.price, volume=said["volume"], day=said["day"])
        return quote(self.price, volume=said["volume"], day=said["day"], used=said["used"] or Decimal(0))


class PricePage(PriceAdmin):
    change_form_template = "admin/pricing/price/change_form.html"
    fields: ClassVar[Any] = [("code", "company"), ("manufacturer", "created_at"), "linked_lists"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Json | None = None
    ) -> HttpResponse:
        price = self.get_object(request, object_id)
        shown = {} if price is None else _shown(request, price)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})


def _shown(request: HttpRequest, price: Price) -> Json:
    today = timezone.localdate()
    asked = "calc-volume" in request.GET
    form = CalculatorForm(
        request.GET if asked else None, request=request, price=price, initial={"day": today.isoformat()}
    )
    answer = form.quote() if asked and form.is_valid() else None
    version = answer.version if answer else version_on(price, today)
    tiers = list(version.tiers.order_by("position"))
    return {
        "shown_version": version,
        "tiers": tiers,
        "tiers_chart": json.dumps(_steps(tiers)),
        "tiers_options": json.dumps(_options()),
        "calculator": form,
        "quote": answer,
        "quote_rows": [] if answer is None else [_texts(part) for part in answer.parts],
        "quote_used": "" if answer is None else decimal_text(answer.used),
        "quote_amount": "" if answer is None else decimal_text(answer.amount),
    }


def _texts(part: TierPart) -> tuple[str, str, str, str]:
    return str(part.tier), decimal_text(part.volume), decimal_text(part.unit_price), decimal_text(part.amount)


def _steps(tiers: list[PriceTier]) -> Json:
    """Unit price over the volume of a cycle; the open tier is drawn half as wide again as all before it."""
    last = float(tiers[-1].lower)
    points = [{"x": float(tier.lower), "y": float(tier.unit_price)} for tier in tiers]
    points.append({"x": last * 1.5 or 100.0, "y": float(tiers[-1].unit_price)})
    colour = "var(--color-primary-500)"
    steps = {"stepped": True, "borderColor": colour, "backgroundColor": colour, "tension": 0}
    return {"datasets": [{"label": _("unit price (CNY/m³)"), "data": points, "pointRadius": 3, **steps}]}


def _options() -> Json:
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"display": False}},
        "scales": {
            "x": {"type": "linear", "title": {"display": True, "text": _("volume in the cycle (m³)")}},
            "y": {"min": 0, "title": {"display": True, "text": _("unit price (CNY/m³)")}},
        },
    }
