"""The rows that a list of the admin shows to a person: worked out anew, by the list's own filters and scope."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import RequestFactory

from analysis.filters import filtered
from analysis.tables import Table


def rows_asked(table: Table, asked: dict[str, Any], *, user: User) -> QuerySet[Any]:
    """What ExportJob.asked means for `user`, who sees only rows of their companies.

    Raises FilterInvalid, UnknownFilter; IncorrectLookupParameters for a list that no longer exists so.
    """
    if "list" in asked:
        return _listed(table, asked["list"], user=user)
    rows = table.rows(user=user)
    if "ids" in asked:
        return rows.filter(pk__in=asked["ids"])
    return filtered(rows, table=table, asked=asked.get("filters", {}), user=user)


def _listed(table: Table, query: str, *, user: User) -> QuerySet[Any]:
    model_admin = admin.site._registry[table.model]
    request = RequestFactory().get("/", QUERY_STRING=query)
    request.user = user
    return model_admin.get_changelist_instance(request).queryset
