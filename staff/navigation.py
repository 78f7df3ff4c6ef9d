"""The sidebar: by what staff do, each entry for those who may open its page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from staff.permissions import RECONCILE

# group -> (title, icon, "app.model", or the name of a page with its permission if it needs one). What is not for this
# person, or not registered, is left out.
GROUPS: list[tuple[Any, list[tuple[Any, str, str | tuple[str, str]]]]] = [
    (
        _("Meters"),
        [
            (_("Meters"), "gas_meter", "meters.meter"),
            (_("Commands"), "send", "commands.command"),
            (_("Bulk valve commands"), "dynamic_feed", "commands.bulkcommand"),
            (_("Alarms"), "notifications", "alarms.alarm"),
        ],
    ),
    (
        _("Readings and usage"),
        [
            (pgettext_lazy("sidebar", "Readings"), "speed", "readings.reading"),
            (_("Reviews of readings"), "fact_check", "readings.readingreview"),
            (_("Daily usage"), "bar_chart", "readings.dailyusage"),
            (_("Accounts"), "account_balance_wallet", "meters.account"),
            (_("Prices"), "payments", "pricing.price"),
            (_("Exports"), "download", "analysis.exportjob"),
        ],
    ),
    (
        _("Exchange"),
        [
            (_("Inbound messages"), "call_received", "protocol.inboundmessage"),
            (_("Outbound messages"), "call_made", "protocol.outboundmessage"),
            (_("Reconciliation"), "balance", ("admin:staff_reconcile", RECONCILE)),
            (_("Peers"), "hub", "protocol.peer"),
            (_("Companies"), "apartment", "protocol.company"),
            (_("Manufacturers"), "factory", "protocol.manufacturer"),
            (_("Alarm thresholds"), "tune", "alarms.alarmthresholds"),
            (_("Interface documentation"), "menu_book", ("interface-docs", "")),
        ],
    ),
    (
        _("Staff"),
        [
            (_("People"), "person", "auth.user"),
            (_("Roles"), "badge", "staff.role"),
            (_("API tokens"), "key", "analysis.apitoken"),
            (_("Staff acts"), "history", "staff.staffact"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that hold anything for this person, the home page first."""
    home = {"title": pgettext_lazy("sidebar", "Today"), "icon": "home", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [home]}]
    for title, entries in GROUPS:
        found = [{"title": name, "icon": icon, "link": _link(request, where)} for name, icon, where in entries]
        if open_to := [entry for entry in found if entry["link"]]:
            groups.append({"title": title, "separator": True, "items": open_to})
    shown = [item for group in groups for item in group["items"]]
    here = _nearest(request.path, [item["link"] for item in shown])
    for item in shown:
        item["active"] = item["link"] == here
    return groups


def _nearest(path: str, links: list[str]) -> str:
    """The longest link that `path` is, or lies below; home is only itself."""
    home = reverse("admin:index")
    above = [link for link in links if path == link or (link != home and path.startswith(link))]
    return max(above, key=len, default="")


def _link(request: HttpRequest, where: str | tuple[str, str]) -> str:
    """The address of a page that this person may open, else nothing."""
    if not isinstance(where, str):
        page, permission = where
        return reverse(page) if not permission or request.user.has_perm(permission) else ""
    models = {model._meta.label_lower: model_admin for model, model_admin in admin.site._registry.items()}
    if where not in models or not models[where].has_view_permission(request):
        return ""
    return reverse(f"admin:{where.replace('.', '_')}_changelist")
