"""The search in the header of every page: meters, straight from what was typed."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from meters.models import Meter
from staff.patience import TookTooLong, at_most

MOST = 10
PATIENCE_MS = 900


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    """UNFOLD's COMMAND search_callback: the meters that the user may see, by the same search as their list."""
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
