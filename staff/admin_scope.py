"""Whatever the admin shows of a row, it shows of the user's companies only: lists, choices of forms and filters."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.sites import AdminSite
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.encoding import smart_str

from staff.scope import sees_all, within


class Scoped(BaseModelAdmin):
    """Shows rows of the user's companies only; `company_path` leads from a row to its company (None: everybody's).

    What is `shared` belongs to several companies: only who sees them all may write it.
    """

    company_path: str | None = None
    shared = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if self.company_path is None else within(rows, user=request.user, company=self.company_path)

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """What a form offers and accepts for a relation."""
        rows = visible(db_field.remote_field.model, request, self.admin_site)
        return rows if rows is not None else super().get_field_queryset(db, db_field, request)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return super().has_add_permission(request, *args) and self._may_share(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_share(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_share(request)

    def _may_share(self, request: HttpRequest) -> bool:
        return not self.shared or sees_all(request.user)


def visible(model: type[Model], request: HttpRequest, site: AdminSite) -> QuerySet[Any] | None:
    """The rows of `model` that the user sees in `site`; None when its admin does not scope them."""
    model_admin = site._registry.get(model)
    return model_admin.get_queryset(request) if isinstance(model_admin, Scoped) else None


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Offers the related rows that the user sees, and not the names of others."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, Any]]:
        rows = visible(field.related_model, request, model_admin.admin_site)
        if rows is None:
            return super().field_choices(field, request, model_admin)
        return [(str(row.pk), smart_str(row)) for row in rows]


admin.FieldListFilter.register(lambda field: bool(field.remote_field), ScopedRelatedFilter, take_priority=True)
