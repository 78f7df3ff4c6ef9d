"""The history of a row: what staff did to it, as it is on record, and not the log of forms that Django keeps."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from staff.models import StaffAct
from staff.scope import companies_of, sees_all

SHOWN_ACTS = 10
ACTS_PER_PAGE = 50


def acts_done_to(model: type[Model], pk: str, *, user: Any) -> QuerySet[StaffAct]:
    """The newest first. Of a row that several companies share, what concerns the user's or none in particular."""
    acts = StaffAct.objects.filter(target_model=model._meta.label_lower, target_pk=pk)
    if not sees_all(user):
        acts = acts.filter(Q(company__isnull=True) | Q(company__in=companies_of(user)))
    return acts.select_related("by").order_by("-id")


class WithHistory(admin.ModelAdmin):
    """Shows on a row's page the last things that were done to it, and leads to all of them while there are any."""

    change_form_after_template = "staff/what_was_done.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        done: list[StaffAct] = []
        if object_id is not None and request.method == "GET":
            done = list(acts_done_to(self.model, unquote(object_id), user=request.user)[:SHOWN_ACTS])
        shown = {"acts_done": done, "show_history": bool(done), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, shown)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        acts = acts_done_to(self.model, str(row.pk), user=request.user)
        page = self.get_paginator(request, acts, ACTS_PER_PAGE).get_page(request.GET.get("p", "1"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("History: %(row)s") % {"row": row},
            "opts": self.opts,
            "object": row,
            "acts_done": page.object_list,
            "page": page,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "staff/history.html", context)
