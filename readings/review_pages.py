"""The page on which the staff decide about a reading, with its neighbours drawn."""

import json
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from readings.models import Decision, Quality, Reading, ReadingReview
from readings.review import ReviewRefused, decide, neighbourhood
from staff.acts import name_acts
from staff.admin_base import LargeTableAdmin
from staff.permissions import REVIEW_READING

# Of the theme, except for the red that it lacks as a variable.
COUNTS, FLAGGED, THIS = "var(--color-primary-500)", "#f59e0b", "#dc2626"
Json = dict[str, Any]
name_acts({"reading.review": gettext_lazy("review a reading")})


class ReviewForm(forms.Form):
    decision = forms.ChoiceField(choices=Decision.choices, required=False)
    note = forms.CharField(
        label=gettext_lazy("note"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=gettext_lazy("Why: it is kept with your name and the time."),
    )


class ReviewPage(LargeTableAdmin):
    """Adds the decision to the page of a reading."""

    change_form_template = "admin/readings/reading/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        review = self.admin_site.admin_view(self.review_view)
        return [path("<path:object_id>/review/", review, name="readings_reading_review"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Json | None = None
    ) -> HttpResponse:
        reading = self.get_object(request, object_id)
        shown = {} if reading is None else self._shown(request, reading)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def review_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take the decision, say what came of it, and show the reading again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reading = self.get_object(request, object_id)
        if reading is None or not request.user.has_perm(REVIEW_READING):
            raise Http404
        form = ReviewForm(request.POST)
        if form.is_valid():
            self._decide(request, reading, form.cleaned_data)
        else:
            self.message_user(request, _("Say why: a decision needs a note."), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:readings_reading_change", args=[object_id]))

    def _decide(self, request: HttpRequest, reading: Reading, said: Json) -> None:
        by = cast(User, request.user)
        try:
            review = decide(reading, decision=Decision(said["decision"]), note=said["note"], by=by, now=timezone.now())
        except ReviewRefused as refusal:
            self.message_user(request, str(refusal.reason), messages.ERROR)
            return
        told = _("Decided. The reading is now: %(quality)s. Its day is settled again with the next settlement.")
        self.message_user(request, told % {"quality": Quality(review.quality_after).label})

    def _shown(self, request: HttpRequest, reading: Reading) -> Json:
        around = neighbourhood(reading).around
        reviews = ReadingReview.objects.filter(meter=reading.meter_id, read_at=reading.read_at, index=reading.index)
        return {
            "neighbours": [_row(one, reading) for one in around],
            "neighbours_chart": json.dumps(_chart(around, reading)),
            "neighbours_options": json.dumps(_options()),
            "reviews": reviews.select_related("by").order_by("-pk"),
            "review_form": ReviewForm(),
            "may_review": request.user.has_perm(REVIEW_READING),
            "can_accept": reading.quality != Quality.VALID and reading.decision != Decision.ACCEPTED,
            "can_reject": reading.decision != Decision.REJECTED,
            "can_reopen": reading.decision != Decision.NONE,
        }


def _row(one: Reading, reading: Reading) -> Json:
    return {
        "reading": one,
        "is_this": one.pk == reading.pk,
        "counts": one.quality == Quality.VALID,
        "quality": Quality(one.quality).label,
        "page": reverse("admin:readings_reading_change", args=[one.pk]),
    }


def _chart(around: list[Reading], reading: Reading) -> Json:
    """Index over time: a line through those that count, points for the others, and this one set apart."""
    counts = [float(one.index) if one.quality == Quality.VALID else None for one in around]
    flagged = [float(one.index) if one.quality != Quality.VALID and one.pk != reading.pk else None for one in around]
    this = [float(one.index) if one.pk == reading.pk else None for one in around]
    points = {"showLine": False, "pointRadius": 6, "pointBorderWidth": 0}
    return {
        "labels": [date_format(timezone.localtime(one.read_at), "m-d H:i") for one in around],
        "datasets": [
            {"label": _("counts"), "data": counts, "borderColor": COUNTS, "pointRadius": 3, "pointStyle": "circle"}
            | {"backgroundColor": COUNTS, "spanGaps": True, "tension": 0, "borderWidth": 2},
            {"label": _("flagged"), "data": flagged, "backgroundColor": FLAGGED, "pointStyle": "triangle", **points},
            {"label": _("this reading"), "data": this, "backgroundColor": THIS, "pointStyle": "rectRot", **points},
        ],
    }


def _options() -> Json:
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"display": True, "align": "end", "labels": {"usePointStyle": True, "boxHeight": 6}}},
        "scales": {
            "x": {"ticks": {"maxRotation": 45}, "grid": {"display": False}},
            "y": {
                "ticks": {"format": {"useGrouping": False}},
                "title": {"display": True, "text": _("index (m³)")},
            },
        },
    }
