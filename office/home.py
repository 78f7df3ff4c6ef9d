"""The home page: what needs somebody now, how the fleet stands, and the charts; within the user's companies.

What needs somebody is counted on the list that it links to, as that list's own admin page shows it to this user, and no
further than MOST: every one of these conditions has a partial index.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Max, Model, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alarms.models import Alarm
from commands.models import Command
from office.charts import COLOURS, LINE, Chart, Series
from office.models import DayFigures, FleetFigures, HourFigures
from protocol.models import OutboundMessage, PeerHealth
from protocol.partitions.problems import partition_problems
from readings.models import Quality, Reading
from staff.peer_admin import PAUSED
from staff.scope import within

MOST: Final = 1_000
CHART_DAYS: Final = 30
CHART_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Need:
    """Rows of `model` that `condition` picks, shown by the list with these parameters."""

    label: Any
    model: type[Model]
    condition: Q
    parameters: dict[str, str]
    urgency: str


@dataclass(frozen=True, slots=True)
class Counted:
    label: Any
    count: int
    url: str
    urgency: str

    @property
    def shown(self) -> str:
        return f"{MOST}+" if self.count > MOST else str(self.count)


def _open_alarm(label: Any, urgency: str, **fields: Any) -> Need:
    parameters = {"state__exact": "open", **{f"{name}__exact": str(value) for name, value in fields.items()}}
    return Need(label, Alarm, Q(state="open", **fields), parameters, urgency)


def _stuck(label: Any, state: str) -> Need:
    return Need(label, OutboundMessage, Q(stuck_at__isnull=False, state=state), {"state__exact": state}, "high")


def _undone(label: Any, state: str) -> Need:
    return Need(label, Command, Q(state=state), {"state__exact": state}, "medium")


NEEDS: Final = [
    _open_alarm(_("open alarms of high priority"), "high", priority=3),
    _open_alarm(_("open alarms of medium priority"), "medium", priority=2),
    _open_alarm(_("open alarms of low priority"), "low", priority=1),
    _open_alarm(_("silent meters"), "medium", type="01"),
    _undone(_("failed commands"), "failed"),
    _undone(_("expired commands"), "expired"),
    _stuck(_("dead callbacks"), "dead"),
    _stuck(_("rejected callbacks"), "rejected"),
    Need(
        _("flagged readings"), Reading, ~Q(quality=Quality.VALID) & Q(decision=""), {"quality": "undecided"}, "medium"
    ),
    Need(_("paused peers"), PeerHealth, PAUSED, {"sending": "paused"}, "high"),
]


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """UNFOLD's DASHBOARD_CALLBACK."""
    now = timezone.now()
    may_see_meters = request.user.has_perm("meters.view_meter")
    context.update(
        needs=needs(request),
        partition_problems=partition_problems(now=now) if request.user.is_superuser else [],
        fleet=fleet(request) if may_see_meters else None,
        charts=charts(request, now=now) if may_see_meters else [],
        meter_list=reverse("admin:meters_meter_changelist") if may_see_meters else "",
    )
    return context


def needs(request: HttpRequest) -> list[Counted]:
    """What the user may see of each kind, the urgent ones first and those with nothing last."""
    seen = [need for need in NEEDS if _admin(need).has_view_permission(request)]
    counts = _counts([_admin(need).get_queryset(request).filter(need.condition) for need in seen])
    found = [_counted(need, count) for need, count in zip(seen, counts, strict=True)]
    order = ["high", "medium", "low"]
    return sorted(found, key=lambda one: (one.count == 0, order.index(one.urgency)))


def _admin(need: Need) -> Any:
    return admin.site.get_model_admin(need.model)


def _counts(lists: Sequence[QuerySet[Any]]) -> list[int]:
    """How many rows each has, up to MOST + 1, in one statement: a page of ten figures is no reason for ten."""
    parts: list[str] = []
    values: list[Any] = []
    for rows in lists:
        try:
            sql, its_values = rows.order_by().values("pk")[: MOST + 1].query.sql_with_params()
        except EmptyResultSet:
            sql, its_values = "SELECT 1 WHERE false", ()
        parts.append(f"(SELECT COUNT(*) FROM ({sql}) counted)")  # noqa: S608  (Django's own SQL)
        values += its_values
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", values)
        return list(cursor.fetchone())


def _counted(need: Need, count: int) -> Counted:
    meta = need.model._meta
    page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    url = f"{page}?{urlencode(need.parameters)}" if need.parameters else page
    return Counted(need.label, count, url, need.urgency)


def fleet(request: HttpRequest) -> dict[str, Any]:
    """The figures of the user's companies, each with the list behind it; `at` is None before the first count."""
    names = ("meters", "active", "reporting", "valve_open", "valve_closed", "in_arrears")
    mine = within(FleetFigures.objects.all(), user=request.user, company="company")
    sums = mine.aggregate(at=Max("at"), **{f"sum_{name}": Sum(name) for name in names})
    lists = {
        "meters": "",
        "active": "?status__exact=active",
        "reporting": "?status__exact=active&reported=today",
        "valve_open": "?status__exact=active&state__valve__exact=open",
        "valve_closed": "?status__exact=active&state__valve__exact=closed",
        "in_arrears": "?account__in_arrears__exact=1",
    }
    page = reverse("admin:meters_meter_changelist")
    figures = [
        {
            "label": FleetFigures._meta.get_field(name).verbose_name,  # type: ignore[union-attr]
            "count": sums[f"sum_{name}"] or 0,
            "url": page + lists[name],
        }
        for name in names
    ]
    return {"at": sums["at"], "figures": figures}


def charts(request: HttpRequest, *, now: datetime) -> list[Chart]:
    mine: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda rows: within(  # noqa: E731
        rows, user=request.user, company="company"
    )
    hours = mine(HourFigures.objects.filter(hour__gt=now - timedelta(hours=CHART_HOURS), hour__lte=now))
    by_hour = {
        row["hour"]: row
        for row in hours.values("hour").annotate(
            n=Sum("readings"), told=Sum("callbacks"), seconds=Sum("callback_seconds")
        )
    }
    return [_usage(mine, now=now), _readings(by_hour, now=now), _commands(mine, now=now), _delays(by_hour, now=now)]


def _days(now: datetime) -> list[Any]:
    today = timezone.localdate(now)
    return [today - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]


def _hours(now: datetime) -> list[datetime]:
    last = now.replace(minute=0, second=0, microsecond=0)
    return [last - timedelta(hours=back) for back in range(CHART_HOURS - 1, -1, -1)]


def _usage(mine: Any, *, now: datetime) -> Chart:
    days = _days(now)
    rows = mine(DayFigures.objects.filter(day__gte=days[0])).values("day").annotate(v=Sum("volume"), a=Sum("amount"))
    found = {row["day"]: row for row in rows}
    volumes = [float(found[day]["v"]) if day in found else None for day in days]
    amounts = [float(found[day]["a"]) if day in found else None for day in days]
    return Chart(
        title=gettext("Daily usage, last 30 days"),
        bottom=gettext("day"),
        left=gettext("usage (m³)"),
        right=gettext("amount (CNY)"),
        labels=[day.strftime("%m-%d") for day in days],
        series=[
            Series(label=gettext("usage"), values=volumes),
            Series(label=gettext("amount"), values=amounts, colour=COLOURS[1], line=True, axis="y1"),
        ],
        empty=not found,
    )


def _hour_labels(now: datetime) -> list[str]:
    return [timezone.localtime(hour).strftime("%H:00") for hour in _hours(now)]


def _readings(by_hour: dict[datetime, Any], *, now: datetime) -> Chart:
    values = [by_hour[hour]["n"] if hour in by_hour else 0 for hour in _hours(now)]
    return Chart(
        title=gettext("Readings per hour, last 24 hours"),
        bottom=gettext("hour"),
        left=gettext("readings"),
        labels=_hour_labels(now),
        series=[Series(label=gettext("readings"), values=values)],
        empty=not any(values),
    )


def _commands(mine: Any, *, now: datetime) -> Chart:
    days = _days(now)
    since = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=CHART_DAYS - 1)
    rows = mine(HourFigures.objects.filter(hour__gte=since)).annotate(day=TruncDate("hour")).values("day")
    found = {row["day"]: row for row in rows.annotate(done=Sum("commands_done"), not_done=Sum("commands_not_done"))}
    done = [found[day]["done"] if day in found else 0 for day in days]
    not_done = [found[day]["not_done"] if day in found else 0 for day in days]
    return Chart(
        title=gettext("Commands and how they ended, last 30 days"),
        bottom=gettext("day"),
        left=gettext("commands"),
        labels=[day.strftime("%m-%d") for day in days],
        series=[
            Series(label=gettext("done"), values=done, colour=LINE),
            Series(label=gettext("failed or expired"), values=not_done, colour=COLOURS[2]),
        ],
        stacked=True,
        empty=not any(done) and not any(not_done),
    )


def _delays(by_hour: dict[datetime, Any], *, now: datetime) -> Chart:
    delays = [
        round(by_hour[hour]["seconds"] / by_hour[hour]["told"], 2)
        if hour in by_hour and by_hour[hour]["told"]
        else None
        for hour in _hours(now)
    ]
    return Chart(
        title=gettext("Callback delay, last 24 hours"),
        bottom=gettext("hour"),
        left=gettext("mean seconds until delivered"),
        labels=_hour_labels(now),
        series=[Series(label=gettext("delay (s)"), values=delays, colour=COLOURS[3], line=True)],
        empty=all(delay is None for delay in delays),
    )
