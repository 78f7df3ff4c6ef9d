"""What the query of a list asks for, in words: "state: failed, created on: 2026-02-01"."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.utils.text import capfirst
from django.utils.translation import gettext

from staff.admin_scope import visible

# Of the page, not of its rows.
_NO_FILTERS = {"o", "p", "all", "e", "_facets", "_changelist_filters"}
_LOOKUPS = {"exact", "in", "gte", "gt", "lte", "lt", "isnull"}
_SIGNS = {"gte": "≥ ", "gt": "> ", "lte": "≤ ", "lt": "< "}


def filter_words(model: type[Model], query: str, request: HttpRequest | None = None) -> str:
    """The filters and the search of a list of `model`. Related rows go by their names if `request` may see them."""
    asked = QueryDict(query.removeprefix("?"))
    parts = [
        f"{capfirst(label)}: {words}"
        for name, values in asked.lists()
        for value in values
        if name not in _NO_FILTERS and value
        for label, words in [_one(model, name, value, request)]
    ]
    return "; ".join(parts) or gettext("everything")


def _one(model: type[Model], name: str, value: str, request: HttpRequest | None) -> tuple[Any, Any]:
    if name == "q":
        return gettext("search"), value
    for offered in admin.site.get_model_admin(model).list_filter:
        if isinstance(offered, type) and getattr(offered, "parameter_name", None) == name:
            return offered.title, _of_filter(offered, model, value, request)
    path, _dash, lookup = name.rpartition("__")
    if lookup not in _LOOKUPS:
        path, lookup = name, "exact"
    try:
        field = get_fields_from_path(model, path.removesuffix("__id"))[-1]
    except FieldDoesNotExist:
        return name, value
    return field.verbose_name, _SIGNS.get(lookup, "") + str(_of_field(field, value, request))


def _of_filter(offered: Any, model: type[Model], value: str, request: HttpRequest | None) -> Any:
    if request is None:
        return value
    model_admin = admin.site.get_model_admin(model)
    shown = offered(request, {offered.parameter_name: [value]}, model, model_admin)
    return dict(shown.lookup_choices).get(value, value)


def _of_field(field: Any, value: str, request: HttpRequest | None) -> Any:
    if field.choices:
        return {str(key): label for key, label in field.flatchoices}.get(value, value)
    if field.get_internal_type() == "BooleanField":
        return gettext("yes") if value in ("1", "True") else gettext("no")
    if field.is_relation and request is not None and value.isdecimal():
        rows = visible(field.related_model, request, admin.site)
        return value if rows is None else (rows.filter(pk=value).first() or value)
    return value
