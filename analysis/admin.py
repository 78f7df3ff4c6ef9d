"""Exports of staff: asked for from a list, watched, cancelled, downloaded; tokens for programs."""

import json
from functools import partial
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from analysis.access import may_export
from analysis.admin_forms import ExportForm
from analysis.files import Form
from analysis.filters import FilterInvalid, UnknownFilter
from analysis.jobs import FileMissing, ask_for_export, cancel_export, file_for
from analysis.models import UNFINISHED, ExportJob, ExportState
from analysis.tables import TABLES, Table
from analysis.tasks import hint
from analysis.words import error_words, rows_words, shape_words, table_words
from staff.acts import Fact, name_acts, name_facts, put_on_record
from staff.admin_base import OFFERED, OfferedAction, ReadOnlyAdmin
from staff.once import PageInvalid, PageSent, new_token, spend
from staff.permissions import EXPORT

# Registered on import.
from analysis import token_admin  # noqa: F401  isort:skip


def export_link(request: HttpRequest, table: Table) -> str:
    """To the form for an export of all that a list shows with the filters of `request`."""
    asked = {"list": request.GET.urlencode()}
    query = urlencode({"table": table.name, "asked": json.dumps(asked)})
    return f"{reverse('admin:analysis_exportjob_add')}?{query}"


def export_rows(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
    """To the form for an export of the rows chosen, or of all that the list shows with its filters."""
    table = next(table for table in TABLES.values() if table.model is model_admin.model)
    if request.POST.get("select_across", "0") != "0":
        return HttpResponseRedirect(export_link(request, table))
    asked = {"ids": [int(pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]}
    query = urlencode({"table": table.name, "asked": json.dumps(asked)})
    return HttpResponseRedirect(f"{reverse('admin:analysis_exportjob_add')}?{query}")


STATE_LABELS = {
    ExportState.QUEUED: "info",
    ExportState.RUNNING: "warning",
    ExportState.DONE: "success",
    ExportState.FAILED: "danger",
    ExportState.CANCELLED: "primary",
    ExportState.EXPIRED: "primary",
}
_VIEWS = ("state", "file", "cancel")
_PURPOSE = "export"


class TableFilter(admin.SimpleListFilter):
    title = _("table")
    parameter_name = "table"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, table_words(name)) for name in TABLES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ExportJob]) -> QuerySet[ExportJob]:
        return queryset.filter(table=self.value()) if self.value() else queryset


@admin.register(ExportJob)
class ExportJobAdmin(ReadOnlyAdmin):
    list_display = ["id", "what", "owner", "shown_state", "rows", "shown_size", "created_at", "expires_at"]
    list_display_links = ["id", "what"]
    list_filter = ["state", TableFilter]
    search_fields = ["owner__username__exact"]
    search_help_text = _("The user name of who asked for it")
    list_select_related = ["owner"]
    ordering = ["-id"]
    fields: ClassVar[Any] = [("owner", "created_at"), ("finished_at", "expires_at")]
    change_form_outer_before_template = "analysis/export.html"

    class Media:
        js = ("analysis/progress.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExportJob]:
        """Everybody's own; a superuser sees who exports what, and downloads nothing of it."""
        jobs = super().get_queryset(request)
        return jobs if request.user.is_superuser else jobs.filter(owner=request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(EXPORT)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(EXPORT)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(EXPORT)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A list gives `asked` as text, which the field would take for a value that is a text."""
        token = new_token(user=cast(User, request.user), purpose=_PURPOSE)
        given: dict[str, Any] = {**super().get_changeform_initial_data(request), "token": token}
        try:
            return {**given, "asked": json.loads(given.get("asked", "{}"))}
        except ValueError:
            return {**given, "asked": None}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": ExportForm}), **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["table", "asked", "token", "form", "language", "local_times", "bom", "gzip"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            shown = {"save_label": _("Start the export"), "title": _("Export"), **_asked_for(request)}
            return super().add_view(request, form_url, {**(extra_context or {}), **shown})
        except (FilterInvalid, UnknownFilter, IncorrectLookupParameters) as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)
        except PageInvalid as invalid:
            self.message_user(request, invalid.words, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        except PageSent as sent:
            self.message_user(request, sent.words, messages.WARNING)
            made = get_object_or_404(self.get_queryset(request), page=sent.key)
            return HttpResponseRedirect(reverse("admin:analysis_exportjob_change", args=[made.pk]))

    def save_model(self, request: HttpRequest, obj: ExportJob, form: Any, change: bool) -> None:
        """Submitting is asking, once: the service writes the row, in the transaction that spends the form."""
        owner, now = cast(User, request.user), timezone.now()
        page = spend(form.cleaned_data["token"], user=owner, purpose=_PURPOSE, now=now)
        job = ask_for_export(
            owner=owner,
            table=form.cleaned_data["table"],
            asked=form.rows,
            form=Form(form.cleaned_data["form"]),
            shape=form.shape,
            now=now,
            page=page,
        )
        obj.pk = job.pk
        obj.refresh_from_db()
        transaction.on_commit(lambda: hint(job.pk))

    def log_addition(self, request: HttpRequest, obj: ExportJob, message: Any) -> Any:
        """The service has put on record that it was asked for."""

    def response_add(self, request: HttpRequest, obj: ExportJob, post_url_continue: str | None = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:analysis_exportjob_change", args=[obj.pk]))

    def get_urls(self) -> list[Any]:
        site = self.admin_site
        return [
            path("<int:pk>/state/", site.admin_view(self.state_view), name="analysis_exportjob_state"),
            path("<int:pk>/file/", site.admin_view(self.file_view), name="analysis_exportjob_file"),
            path("<int:pk>/cancel/", site.admin_view(require_POST(self.cancel_view)), name="analysis_exportjob_cancel"),
            *super().get_urls(),
        ]

    def state_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What the page polls: state, rows, and share done in %."""
        job = self._job(request, pk)
        return JsonResponse(
            {
                "state": job.state,
                "label": job.get_state_display(),
                "rows": job.rows,
                "percent": _percent(job),
                "finished": job.state not in UNFINISHED,
            }
        )

    def file_view(self, request: HttpRequest, pk: int) -> FileResponse | HttpResponse:
        job = self._job(request, pk)
        try:
            file = file_for(job, user=cast(User, request.user), now=timezone.now())
        except FileMissing:
            told = _("The file is not where it was written. Web and worker must see the same EXPORT_DIR.")
            self.message_user(request, told, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:analysis_exportjob_change", args=[pk]))
        except FileNotFoundError:
            raise Http404 from None
        put_on_record(by=cast(User, request.user), act="export.download", target=job)
        return FileResponse(file.open("rb"), as_attachment=True, filename=f"{job.table}-{job.pk}{_suffix(job)}")

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = self._job(request, pk)
        if cancel_export(job, by=cast(User, request.user), now=timezone.now()):
            self.message_user(request, _("The export is cancelled."))
        else:
            self.message_user(request, _("The export had finished already."), messages.WARNING)
        return HttpResponseRedirect(reverse("admin:analysis_exportjob_change", args=[pk]))

    @admin.display(description=_("table"))
    def what(self, job: ExportJob) -> str:
        return table_words(job.table)

    @admin.display(description=_("size"))
    def shown_size(self, job: ExportJob) -> str | None:
        return filesizeformat(job.size) if job.size else None

    @display(description=_("state"), label=STATE_LABELS)
    def shown_state(self, job: ExportJob) -> tuple[str, str]:
        return job.state, job.get_state_display()

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        job = self.get_object(request, object_id)
        shown = _shown(request, job) if isinstance(job, ExportJob) else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def _job(self, request: HttpRequest, pk: int) -> ExportJob:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request), pk=pk)


def _asked_for(request: HttpRequest) -> dict[str, Any]:
    """Which rows the list that led here has asked for, in words."""
    given, table = request.GET.get("asked", ""), request.GET.get("table", "")
    try:
        asked = json.loads(given)
    except ValueError:
        return {}
    return {"subtitle": rows_words(table, asked, request)} if isinstance(asked, dict) and table in TABLES else {}


def _shown(request: HttpRequest, job: ExportJob) -> dict[str, Any]:
    is_owner = job.owner_id == request.user.pk
    return {
        "job": job,
        "title": table_words(job.table),
        "what": table_words(job.table),
        "state_label": STATE_LABELS[ExportState(job.state)],
        "which": rows_words(job.table, job.asked, request if is_owner else None),
        "how": shape_words(job),
        "error": error_words(job),
        "unfinished": job.state in UNFINISHED,
        "retried": job.tries > 1,
        "ready": job.state == ExportState.DONE and is_owner,
        "is_owner": is_owner,
        "percent": _percent(job),
        **{f"{name}_url": reverse(f"admin:analysis_exportjob_{name}", args=[job.pk]) for name in _VIEWS},
    }


def _percent(job: ExportJob) -> int:
    """Of what the planner expects; 100 only when it is done."""
    if job.state == ExportState.DONE:
        return 100
    return min(99, job.rows * 100 // job.estimate) if job.estimate else 0


def _suffix(job: ExportJob) -> str:
    return job.file_name[job.file_name.index(".") :]


name_acts(
    {
        "export.file": _("ask for an export"),
        "export.cancel": _("cancel an export"),
        "export.download": _("download an export"),
        "export.stream": _("read data by the interface"),
        "token.make": _("make a token"),
        "token.revoke": _("revoke a token"),
    }
)

name_facts(
    {
        "table": Fact(_("table"), lambda table, facts: table_words(table)),
        "exportjob.table": Fact(_("table"), lambda table, facts: table_words(table)),
        "exportjob.form": Fact(_("format"), {Form.CSV: "CSV", Form.PARQUET: "Parquet"}),
        "exportjob.asked": Fact(_("which rows"), lambda asked, facts: rows_words(facts["table"], asked)),
        "user.filters": Fact(_("filter"), lambda asked, facts: rows_words(facts["table"], {"filters": asked})),
        "user.by": Fact(_("signed in by"), {"token": _("token"), "session": _("session")}),
        "apitoken.user": Fact(_("user")),
    }
)

for _table in TABLES.values():
    OFFERED[_table.model] = OfferedAction(
        name="export_rows",
        act=export_rows,
        description=_("Export (CSV)"),
        allowed=partial(may_export, table=_table),
        link_label=_("Export with these filters"),
        link=partial(export_link, table=_table),
    )
