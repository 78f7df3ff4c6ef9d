"""The pages of the staff that need more than one room: a meter's whole life, bulk commands, the home page."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commands.models import Command
from meters.models import Meter, MeterStatus
from office.bulk_pages import BulkActions
from office.command_pages import CommandStories
from office.life import life_of
from office.meter_pages import MeterActs, buttons
from office.timeline import SOURCES, timeline
from office.valve_story import valve_story
from staff.patience import TookTooLong, at_most

admin.site.unregister([Command, Meter])
admin.site.register(Command, CommandStories)


FOUND_ONCE_MS = 900


class ReportedFilter(admin.SimpleListFilter):
    """By the day of the last report, in the platform's zone."""

    title = _("last report")
    parameter_name = "reported"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("today", _("today")), ("before", _("before today, or never"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Meter]) -> QuerySet[Meter]:
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        today = Q(state__reported_at__gte=midnight)
        chosen = {"today": today, "before": ~today}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(Meter)
class MeterLifeAdmin(BulkActions, MeterActs):
    actions = ["close_valves", "open_valves"]
    list_filter = [*MeterActs.list_filter, "account__in_arrears", ReportedFilter]
    change_form_outer_before_template = "office/life.html"

    def get_urls(self) -> list[Any]:
        return self.act_urls() + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """What is found exactly once needs no list."""
        term = request.GET.get("q", "").strip()
        if request.method == "GET" and term and set(request.GET) == {"q"} and self.has_view_permission(request):
            only = self._found_once(request, term)
            if only is not None:
                return HttpResponseRedirect(reverse("admin:meters_meter_change", args=[only]))
        return super().changelist_view(request, extra_context)

    def _found_once(self, request: HttpRequest, term: str) -> int | None:
        """The one meter in service that a search finds, unless finding out takes long."""
        try:
            with at_most(FOUND_ONCE_MS):
                found, _distinct = self.get_search_results(request, self.get_queryset(request), term)
                keys = list(found.filter(status=MeterStatus.ACTIVE).order_by().values_list("pk", flat=True)[:2])
        except TookTooLong:
            return None
        return keys[0] if len(keys) == 1 else None

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        meter = self.get_object(request, object_id)
        shown = {}
        if isinstance(meter, Meter) and self.has_view_permission(request, meter):
            shown = _shown(request, meter)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})


def _shown(request: HttpRequest, meter: Meter) -> dict[str, Any]:
    allowed = [name for name, source in SOURCES.items() if request.user.has_perm(source.permission)]
    only = request.GET.get("only", "")
    only = only if only in allowed else ""
    return {
        "meter": meter,
        "story": valve_story(meter),
        "may_see_command": request.user.has_perm("commands.view_command"),
        "buttons": buttons(request, meter),
        "kinds": [(name, SOURCES[name].label) for name in allowed],
        "only": only,
        "timeline": timeline(meter, sources=[only] if only else allowed, cursor=request.GET.get("before", "")),
        **life_of(meter, now=timezone.now()),
    }
