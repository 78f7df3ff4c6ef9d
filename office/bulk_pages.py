"""Bulk valve commands: the action on a list of meters, the dry run, the progress while it runs, the results."""

import csv
from collections.abc import Iterator
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from commands.bulk import MOST_METERS, BulkMoved, TooManyMeters, cancel_bulk, draft, progress_of, start
from commands.models import BulkCommand, BulkOutcome, BulkRow, BulkState, CommandState
from meters.admin import OfMeterAdmin
from meters.models import Meter, ValveState
from staff.acts import Fact, name_acts, name_facts
from staff.admin_base import LargeTableAdmin, LinkedFilter, link_column, list_url
from staff.filter_words import filter_words
from staff.permissions import SEND_BULK_COMMANDS
from staff.scope import companies_of, sees_all

STATE_LABELS = {
    BulkState.DRAFT: "info",
    BulkState.RUNNING: "warning",
    BulkState.DONE: "success",
    BulkState.CANCELLED: "danger",
}


class BulkActions:
    """For the list of meters: close or open all that are chosen, after a dry run."""

    def has_bulk_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(SEND_BULK_COMMANDS))

    @admin.action(description=_("Close the valves … (dry run first)"), permissions=["bulk"])
    def close_valves(self, request: HttpRequest, queryset: QuerySet[Meter]) -> HttpResponse | None:
        return self._draft(request, queryset, ValveState.CLOSED)

    @admin.action(description=_("Open the valves … (dry run first)"), permissions=["bulk"])
    def open_valves(self, request: HttpRequest, queryset: QuerySet[Meter]) -> HttpResponse | None:
        return self._draft(request, queryset, ValveState.OPEN)

    def _draft(self, request: HttpRequest, meters: QuerySet[Meter], wish: ValveState) -> HttpResponse | None:
        by = cast(User, request.user)
        everything = request.POST.get("select_across") == "1"
        selection = f"?{request.GET.urlencode()}" if everything else ""
        try:
            bulk = draft(meters, wish=wish, by=by, selection=selection, now=timezone.now())
        except TooManyMeters:
            told = gettext("More than %(most)d meters are chosen. Narrow the list down.") % {"most": MOST_METERS}
            cast(Any, self).message_user(request, told, messages.ERROR)
            return None
        return HttpResponseRedirect(_page(bulk))


@admin.register(BulkCommand)
class BulkCommandAdmin(LargeTableAdmin):
    list_display = ["__str__", "wish", "total", "shown_state", "created_by", "created_at", "started_at", "finished_at"]
    list_select_related = ["created_by"]
    list_filter = ["state", "wish"]
    search_fields = ["created_by__username__exact"]
    search_help_text = _("The user name of who asked for it")
    ordering = ["-id"]
    fields: ClassVar[Any] = [
        ("wish", "total", "state"),
        "selected",
        ("created_by", "created_at"),
        ("started_at", "finished_at"),
        "linked_lists",
    ]
    change_form_outer_before_template = "office/bulk.html"

    @display(description=_("state"), label=STATE_LABELS)
    def shown_state(self, bulk: BulkCommand) -> tuple[str, str]:
        return bulk.state, bulk.get_state_display()

    @admin.display(description=_("selection"))
    def selected(self, bulk: BulkCommand) -> str:
        return _selected(bulk.selection)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those of which the user sees every company."""
        bulks = super().get_queryset(request)
        if sees_all(request.user):
            return bulks
        others = BulkCommand.companies.through.objects.exclude(company__in=companies_of(request.user).values("pk"))
        return bulks.exclude(pk__in=others.values("bulkcommand"))

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/start/", wrap(self.start_view), name="commands_bulkcommand_start"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name="commands_bulkcommand_cancel"),
            path("<int:pk>/progress/", wrap(self.progress_view), name="commands_bulkcommand_progress"),
            path("<int:pk>/results.csv", wrap(self.results_view), name="commands_bulkcommand_results"),
        ]
        return own + super().get_urls()

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        bulk = self.get_object(request, object_id)
        shown = {} if bulk is None else self._shown(request, bulk)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, start)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, cancel_bulk)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that changes; it asks for itself again until the bulk is over."""
        return TemplateResponse(request, "office/bulk_progress.html", self._shown(request, self._of(request, pk)))

    def results_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        bulk = self._of(request, pk)
        lines = csv.writer(cast(Any, _Echo()))
        content = (lines.writerow([formula_safe(cell) for cell in row]) for row in _results(bulk))
        response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="bulk-{bulk.pk}.csv"'
        return response

    def _of(self, request: HttpRequest, pk: int) -> BulkCommand:
        bulk = self.get_object(request, str(pk))
        if bulk is None:
            raise Http404
        if not self.has_view_permission(request, bulk):
            raise PermissionDenied
        return cast(BulkCommand, bulk)

    def _act(self, request: HttpRequest, pk: int, act: Any) -> HttpResponse:
        bulk = self._of(request, pk)
        if request.method != "POST" or not request.user.has_perm(SEND_BULK_COMMANDS):
            raise PermissionDenied
        try:
            act(bulk, by=request.user, now=timezone.now())
        except BulkMoved:
            self.message_user(request, gettext("That had been done already, or it is over."), messages.WARNING)
        return HttpResponseRedirect(_page(bulk))

    def _shown(self, request: HttpRequest, bulk: BulkCommand) -> dict[str, Any]:
        progress = progress_of(bulk)
        rows = _counts(bulk, progress.outcomes, BulkOutcome, "outcome")
        done = bulk.total - progress.left
        return {
            "bulk": bulk,
            "to_ask": progress.left,
            "outcomes": rows,
            "asked_states": _counts(bulk, progress.commands, CommandState, None),
            "percent": 100 if not bulk.total else done * 100 // bulk.total,
            "done": done,
            "may_act": request.user.has_perm(SEND_BULK_COMMANDS),
            "running": bulk.state == BulkState.RUNNING,
            "is_draft": bulk.state == BulkState.DRAFT,
        }


@admin.register(BulkRow)
class BulkRowAdmin(OfMeterAdmin):
    list_display = ["id", "meter_page", "outcome", "command_page", "bulk"]
    list_display_links = ["id"]
    list_select_related = ["meter", "command", "bulk"]
    list_filter = ["outcome", ("bulk", LinkedFilter), ("meter", LinkedFilter)]
    ordering = ["-id"]
    fields: ClassVar[Any] = ["bulk", "meter", "outcome", "command"]

    @admin.display(description=_("command"))
    def command_page(self, row: BulkRow) -> Any:
        return link_column("command", "")(row) if row.command_id else None


class _Echo:
    def write(self, line: str) -> str:
        return line


def formula_safe(cell: object) -> str:
    """A spreadsheet takes a cell that begins so for a formula."""
    text = str(cell)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _results(bulk: BulkCommand) -> Iterator[list[object]]:
    """With a byte order mark before the first header: Excel then reads UTF-8."""
    yield [
        "\ufeff" + gettext("Meter number"),
        gettext("User number"),
        gettext("Name"),
        gettext("Outcome"),
        gettext("Command state"),
    ]
    fields = ("meter__meter_no", "meter__user_no", "meter__user_name", "outcome", "command__state")
    for meter_no, user_no, name, outcome, state in (
        BulkRow.objects.filter(bulk=bulk).order_by("pk").values_list(*fields).iterator(chunk_size=2000)
    ):
        told = CommandState(state).label if state else ""
        yield [meter_no, user_no, name, BulkOutcome(outcome).label, told]


def _counts(bulk: BulkCommand, found: dict[str, int], choices: Any, lookup: str | None) -> list[dict[str, Any]]:
    return [
        {
            "label": choice.label,
            "count": found[choice.value],
            "url": list_url(BulkRow, bulk=bulk.pk, **{lookup: choice.value}) if lookup else "",
        }
        for choice in choices
        if found.get(choice.value)
    ]


def _selected(selection: str) -> str:
    return filter_words(Meter, selection) if selection else gettext("chosen one by one")


def _page(bulk: BulkCommand) -> str:
    return reverse("admin:commands_bulkcommand_change", args=[bulk.pk])


name_acts({"bulk.start": _("start a bulk valve command"), "bulk.cancel": _("stop a bulk valve command")})
name_facts(
    {
        "bulkcommand.meters": Fact(_("meters chosen")),
        "bulkcommand.not_asked": Fact(_("meters not asked")),
        "bulkcommand.selection": Fact(_("selection"), lambda selection, facts: _selected(selection)),
    }
)
