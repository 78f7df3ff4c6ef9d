"""Every page of the staff and of the analysts' API: lists with their filters, orders and searches, rows, home."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Max, Model
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from meters.models import Meter
from staff.admin_scope import visible

# Whole numbers, their beginnings, and texts: of every address, of many names, of few addresses, of none.
SEARCHES = {
    "meter": "000000000207",
    "user": "880000000207",
    "beginning of all": "0000",
    "beginning of few": "00000000020",
    "text of all": "人民",
    "text of all, two words": "人民 新区",
    "character of all": "路",
    "text of many": "王伟",
    "character of many": "王",
    "text of few": "鹭岛",
    "character of few": "鹭",
    "whole address": "人民路208号春",
    "text of none": "鹅湾",
    "character of none": "鹅",
}
OF_A_METER = ("meter", "user")
Page = tuple[str, str]


def pages_of(user: User) -> Iterator[Page]:
    """(name, URL) of all that `user` may open."""
    yield "home", reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        request = _request(user)
        if model_admin.has_view_permission(request):
            yield from _list(model, model_admin, request)
            yield from _rows(model, model_admin, request)
    yield from _found_from_every_page()
    yield from _reconciliation(user)
    yield from _analysis(user)


def _request(user: User, query: str = "") -> HttpRequest:
    request = RequestFactory().get("/", QUERY_STRING=query)
    request.user = user
    return request


def _list(model: type[Model], model_admin: Any, request: HttpRequest) -> Iterator[Page]:
    name, url = model._meta.label, _page(model, "changelist")
    yield name, url
    changelist = model_admin.get_changelist_instance(request)
    for number in (2, 100):
        if changelist.paginator.num_pages >= number:
            yield f"{name}, page {number}", f"{url}?p={number}"
    for spec in changelist.filter_specs:
        for choice in list(spec.choices(changelist))[1:]:
            said = f"{name}, {spec.title}: {choice['display']}"
            yield said, url + choice["query_string"]
    for column in range(1, len(changelist.list_display)):
        if model_admin.sortable_by is None or changelist.list_display[column] in model_admin.sortable_by:
            yield f"{name}, by {changelist.list_display[column]}", f"{url}?o={column}"
            yield f"{name}, by {changelist.list_display[column]} backwards", f"{url}?o=-{column}"
    if model_admin.search_fields:
        for what, text in SEARCHES.items():
            if model._meta.model_name == "meter" or what in OF_A_METER:
                yield f"{name}, search for {what}", f"{url}?{urlencode({'q': text})}"
    if model._meta.model_name == "meter":
        for what in ("text of all", "character of few", "text of none"):
            query = {"q": SEARCHES[what], "status__exact": "ended", "state__valve__exact": "closed"}
            yield f"{name}, closed ended ones, search for {what}", f"{url}?{urlencode(query)}"


def _rows(model: type[Model], model_admin: Any, request: HttpRequest) -> Iterator[Page]:
    """The first and the last row of the user's list; of a large table by time, those of their first and last meter."""
    rows = model_admin.get_queryset(request).order_by(*(model_admin.get_ordering(request) or ["pk"]))
    if model._meta.model_name in ("reading", "dailyusage"):
        meters: Any = visible(Meter, request, admin.site)
        keys = [meters.order_by(order).values_list("pk", flat=True).first() for order in ("-pk", "pk")]
        ends = [rows.filter(meter=key).first() for key in keys]
    else:
        ends = [rows.first(), rows.last()]
    for which, row in zip(("first", "last"), ends, strict=True):
        if row is not None:
            yield f"{model._meta.label}, {which} row", _page(model, "change", row.pk)


def _found_from_every_page() -> Iterator[Page]:
    for what, text in SEARCHES.items():
        yield f"box of every page, {what}", f"{reverse('admin:search')}?{urlencode({'s': text})}"


def _reconciliation(user: User) -> Iterator[Page]:
    from staff.permissions import RECONCILE
    from staff.scope import companies_of

    if user.has_perm(RECONCILE):
        page, yesterday = reverse("admin:staff_reconcile"), timezone.localdate() - timedelta(days=1)
        for company in companies_of(user):
            yield f"reconciliation of {company.name}", f"{page}?company={company.pk}&day={yesterday}"


def _analysis(user: User) -> Iterator[Page]:
    today = timezone.localdate()
    filters: dict[str, dict[str, str]] = {
        "all": {},
        "huge company": {"company": "1"},
        "small company": {"company": "3"},
        "company of one in 200": {"company": "5"},
        "company without meters": {"company": "4"},
        "manufacturer": {"manufacturer": "2"},
        "meter": {"meter": "000000000207"},
        "user": {"user": "880000000207"},
        "price": {"price": "P11"},
        "rare price": {"price": "RARE"},
        "yesterday": {"from": str(today - timedelta(days=1)), "to": str(today)},
        "small company, a week": {"company": "3", "from": str(today - timedelta(days=7))},
    }
    own: dict[str, list[dict[str, str]]] = {
        "readings": [{"quality": "flagged"}, {"quality": "jump"}, {"quality": "conflict"}, {"source": "backfill"}],
        "daily-usage": [{"tier": "3"}, {"tier": "9"}],
        "meters": [{"status": "ended"}, {"billing_model": "3"}, {"in_arrears": "true"}],
        "alarms": [{"state": "open"}, {"type": "05"}, {"priority": "2"}],
        "commands": [{"state": "failed"}, {"state": "queued"}, {"kind": "05"}, {"origin": "answer"}],
    }
    for table, more in own.items():
        url = f"/api/analysis/{table}"
        for name, asked in [*filters.items(), *((_said(one), one) for one in more)]:
            yield f"API {table}, {name}", f"{url}?{urlencode(asked)}"
            yield f"API {table}, {name}, deep", f"{url}?{urlencode({**asked, 'cursor': deep_cursor(table)})}"


def _said(asked: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in asked.items())


def deep_cursor(table: str) -> str:
    """A cursor from the middle of the table."""
    from analysis.pages import _written
    from analysis.tables import TABLES

    model = TABLES[table].model
    if table in ("readings", "daily-usage"):
        meter = (Meter.objects.aggregate(last=Max("pk"))["last"] or 0) // 2
        now = timezone.now()
        return _written([meter, now, 1] if table == "readings" else [meter, now.date(), 1])
    return _written([(model._default_manager.aggregate(last=Max("pk"))["last"] or 0) // 2])


def _page(model: type[Model], what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)
