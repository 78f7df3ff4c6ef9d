"""The search in the header of every page: meters, straight from what was typed, and the pages of the sidebar.

In place of the theme's own, which keeps its answers for minutes: a person whose companies changed would see old rows.
"""

import time
from typing import Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.dataclasses import SearchResult

from meters.models import Meter
from staff.navigation import sidebar
from staff.patience import TookTooLong, at_most

MOST: Final = 10
PATIENCE_MS: Final = 900


def search(request: HttpRequest) -> HttpResponse:
    """In the place of `admin:search`; without a term nothing."""
    began, term = time.monotonic(), request.GET.get("s", "").strip()
    if not term:
        return HttpResponse()
    results = [*find(request, term), *pages(request, term)]
    context = {
        "results": Paginator(results, max(len(results), 1)).page(1),
        "page_obj": Paginator(results, max(len(results), 1)),
        "page_counter": 0,
        "execution_time": time.monotonic() - began,
        "command_show_history": False,
    }
    answer = TemplateResponse(request, "unfold/helpers/command_results.html", context, headers={"HX-Trigger": "search"})
    answer["Cache-Control"] = "no-store"
    return answer


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    """The meters that the user may see, by the same search as their list."""
    meters = admin.site.get_model_admin(Meter)
    if not meters.has_view_permission(request):
        return []
    try:
        with at_most(PATIENCE_MS):
            rows, _ = meters.get_search_results(request, meters.get_queryset(request), term)
            found = list(rows[:MOST])
    except TookTooLong:
        return []
    return [
        SearchResult(
            title=f"{meter.meter_no} · {meter.user_name}",
            description=f"{meter.user_no} {meter.address}",
            link=reverse("admin:meters_meter_change", args=[meter.pk]),
            icon="gas_meter",
        )
        for meter in found
    ]


def pages(request: HttpRequest, term: str) -> list[SearchResult]:
    """The entries of the sidebar that are called so."""
    return [
        SearchResult(
            title=str(entry["title"]), description=str(group.get("title", "")), link=entry["link"], icon=entry["icon"]
        )
        for group in sidebar(request)
        for entry in group["items"]
        if term.casefold() in str(entry["title"]).casefold()
    ]
