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
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from analysis.access import make_token, may_export
from analysis.admin_forms import ExportForm
from analysis.files import Form
from analysis.filters import FilterInvalid, UnknownFilter
from analysis.jobs import ask_for_export, cancel_export, file_for
from analysis.models import UNFINISHED, ApiToken, ExportJob, ExportState
from analysis.tables import TABLES
from analysis.tasks import hint
from staff.acts import name_acts, put_on_record
from staff.admin_base import OFFERED, OfferedAction, ReadOnlyAdmin
from staff.admin_scope import Scoped, visible
from staff.permissions import EXPORT


def export_rows(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
    """To the form for an export of the rows chosen, or of all that the list shows with its filters."""
    table = next(table for table in TABLES.values() if table.model is model_admin.model)
    asked: dict[str, Any] = {"list": request.GET.urlencode()}
    if request.POST.get("select_across", "0") == "0":
        asked = {"ids": [int(pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)]}
    query = urlencode({"table": table.name, "asked": json.dumps(asked)})
    return HttpResponseRedirect(f"{reverse('admin:analysis_exportjob_add')}?{query}")


@admin.register(ExportJob)
class ExportJobAdmin(ReadOnlyAdmin):
    list_display = ["id", "table", "owner", "state", "rows", "size", "created_at", "expires_at"]
    list_display_links = ["id", "table"]
    list_filter = ["state", "table"]
    search_fields = ["owner__username__exact"]
    search_help_text = _("The user name of who asked for it")
    list_select_related = ["owner"]
    ordering = ["-id"]
    fields: ClassVar[Any] = [
        ("table", "owner", "created_at"),
        "progress",
        ("state", "rows", "estimate", "size"),
        ("form", "shape", "asked"),
        ("finished_at", "expires_at", "error"),
    ]

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
        given: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        try:
            return {**given, "asked": json.loads(given.get("asked", "{}"))}
        except ValueError:
            return {**given, "asked": None}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": ExportForm}), **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["table", "asked", "form", "language", "local_times", "bom", "gzip"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)
        except (FilterInvalid, UnknownFilter, IncorrectLookupParameters) as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: ExportJob, form: Any, change: bool) -> None:
        """Submitting is asking: the service writes the row."""
        job = ask_for_export(
            owner=cast(User, request.user),
            table=form.cleaned_data["table"],
            asked=form.rows,
            form=Form(form.cleaned_data["form"]),
            shape=form.shape,
            now=timezone.now(),
        )
        obj.pk = job.pk
        obj.refresh_from_db()
        transaction.on_commit(lambda: hint(job.pk))

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

    def file_view(self, request: HttpRequest, pk: int) -> FileResponse:
        job = self._job(request, pk)
        try:
            file = file_for(job, user=cast(User, request.user), now=timezone.now())
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

    @admin.display(description=_("progress"))
    def progress(self, job: ExportJob) -> SafeString:
        if job.state == ExportState.DONE:
            href = reverse("admin:analysis_exportjob_file", args=[job.pk])
            return format_html('<a href="{}" class="text-primary-600 font-semibold">{}</a>', href, _("Download"))
        if job.state not in UNFINISHED:
            return format_html("{}", job.get_state_display())
        return format_html(
            '<progress max="100" value="{}" data-export="{}" aria-label="{}"></progress> <span>{}</span> '
            '<button formmethod="post" formaction="{}" formnovalidate class="text-red-600">{}</button>',
            _percent(job),
            reverse("admin:analysis_exportjob_state", args=[job.pk]),
            _("progress"),
            job.rows,
            reverse("admin:analysis_exportjob_cancel", args=[job.pk]),
            _("Cancel"),
        )

    def _job(self, request: HttpRequest, pk: int) -> ExportJob:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request), pk=pk)


def _percent(job: ExportJob) -> int:
    """Of what the planner expects; 100 only when it is done."""
    if job.state == ExportState.DONE:
        return 100
    return min(99, job.rows * 100 // job.estimate) if job.estimate else 0


def _suffix(job: ExportJob) -> str:
    return job.file_name[job.file_name.index(".") :]


@admin.register(ApiToken)
class ApiTokenAdmin(Scoped, ModelAdmin):
    """A token's text is shown once, when it is made; deleting it takes it back.."""

    list_display = ["name", "user", "created_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    readonly_fields = ["created_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """One that is not made yet has no time."""
        return ["user", "name", "created_at"] if obj else ["user", "name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens, people = super().get_queryset(request), visible(User, request, self.admin_site)
        return tokens if people is None else tokens.filter(user__in=people.order_by().values("pk"))

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """Nobody who may more: the token would be theirs to use."""
        people = super().get_field_queryset(db, db_field, request)
        user = cast(User, request.user)
        if people is None or db_field.name != "user" or user.is_superuser:
            return people
        mine = user.get_all_permissions()
        return people.filter(
            pk__in=[one.pk for one in people if not one.is_superuser and one.get_all_permissions() <= mine]
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        token, text = make_token(user=obj.user, name=obj.name)
        obj.pk = token.pk
        put_on_record(by=cast(User, request.user), act="token.make", target=token, after={"user": str(obj.user)})
        told = _("The token, which is shown only now: %(token)s") % {"token": text}
        self.message_user(request, told, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        put_on_record(by=cast(User, request.user), act="token.revoke", target=obj, before={"user": str(obj.user)})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset.select_related("user"):
            self.delete_model(request, token)


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

for _table in TABLES.values():
    OFFERED[_table.model] = OfferedAction(
        "export_rows", export_rows, _("Export (CSV)"), partial(may_export, table=_table)
    )
