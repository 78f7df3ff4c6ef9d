"""Home: what needs somebody, counted on the lists it leads to; figures counted ahead; within the user's companies."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alarms.models import Alarm
from commands.models import Command
from meters.models import Account, Meter, MeterState
from office import home
from office.figures import refresh, refresh_nightly
from office.models import DayFigures, FleetFigures, HourFigures
from protocol.models import Company, OutboundMessage, Peer, PeerHealth
from readings.models import DailyUsage, Quality, Reading
from staff.models import StaffScope
from tests.admin.browsing import sign_in
from tests.admin.rows import add_meters, make_everything, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    made = make_everything(2)
    OutboundMessage.objects.filter(state="dead").update(stuck_at=timezone.now())
    return made


def needs(client):
    return {str(need.label): need for need in client.get("/admin/").context["needs"]}


def beside_the_counted(rows):
    """Of everything that is counted one more that is over, decided or no concern of anybody's."""
    add_meters(rows, first=3, last=3)
    meter = Meter.objects.get(user_no="U000003")
    Alarm.objects.filter(meter=meter).update(state="acknowledged")
    Command.objects.filter(meter=meter).update(state="succeeded")
    Reading.objects.filter(meter=meter).update(decision="rejected")
    OutboundMessage.objects.filter(lane=meter.pk).update(state="pending", stuck_at=None)
    PeerHealth.objects.create(peer=Peer.objects.get(app_code="idle"))


def test_each_need_leads_to_exactly_the_rows_that_it_counts(client, rows):
    beside_the_counted(rows)
    sign_in(client, language="en")
    shown = needs(client)
    counts = {label: need.count for label, need in shown.items() if need.count}
    assert counts == {
        "open alarms of high priority": 2,
        "failed commands": 2,
        "dead callbacks": 1,
        "flagged readings": 2 * (len(Quality.values) - 1),
        "paused peers": 1,
    }
    for label, need in shown.items():
        listed = client.get(need.url)
        assert listed.status_code == 200, label
        assert listed.context["cl"].result_count == need.count, label


def test_counts_stop_and_the_page_costs_the_same_however_many_rows(client, rows, monkeypatch):
    sign_in(client)
    refresh(now=timezone.now())
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")
    add_meters(rows, first=3, last=9)
    with CaptureQueriesContext(connection) as many:
        client.get("/admin/")
    # Two of them look after partitions, for a superuser, and one counts all that needs somebody.
    assert len(many) == len(few) <= 9
    (counting,) = [q["sql"] for q in many if "COUNT(" in q["sql"]]
    assert counting.count("COUNT(") == counting.count("LIMIT 1001") == len(home.NEEDS)
    monkeypatch.setattr(home, "MOST", 3)
    assert "3+" in {need.shown for need in client.get("/admin/").context["needs"]}


def test_each_figure_of_the_fleet_leads_to_exactly_the_meters_that_it_counts(client, rows):
    add_meters(rows, first=3, last=5)
    now, (ended, closed, silent, poor, _other) = timezone.now(), Meter.objects.order_by("pk")
    MeterState.objects.update(reported_at=now)
    Meter.objects.filter(pk=ended.pk).update(status="ended", ended_at=now)
    MeterState.objects.filter(meter=closed).update(valve="closed")
    MeterState.objects.filter(meter=silent).update(reported_at=None, valve="unknown")
    Account.objects.filter(meter=poor).update(in_arrears=True)
    refresh(now=now)
    figures = sign_in(client, language="en").get("/admin/").context["fleet"]["figures"]
    counts = {str(figure["label"]): figure["count"] for figure in figures}
    assert counts == {
        "meters": 5,
        "active": 4,
        "reporting today": 3,
        "valve open": 2,
        "valve closed": 1,
        "in arrears": 1,
    }
    listed = {str(figure["label"]): client.get(figure["url"]).context["cl"].result_count for figure in figures}
    assert listed == counts


def test_the_figures_of_fleet_days_and_hours(rows):
    now = timezone.now()
    Meter.objects.filter(user_no="U000002").update(status="ended", ended_at=now)
    MeterState.objects.update(reported_at=now, valve="closed")
    Account.objects.update(in_arrears=True)
    DailyUsage.objects.update(day=timezone.localdate(now))
    Command.objects.update(finished_at=now - timedelta(minutes=1))
    hour = now - timedelta(minutes=1)
    OutboundMessage.objects.update(state="delivered", created_at=hour, finished_at=hour + timedelta(seconds=4))
    for _ in range(2):
        refresh(now=now)
    fleet = FleetFigures.objects.get()
    assert (fleet.meters, fleet.active, fleet.reporting, fleet.valve_open, fleet.valve_closed) == (2, 1, 1, 0, 1)
    assert fleet.in_arrears == 2
    day = DayFigures.objects.get()
    assert (day.volume, day.amount) == (Decimal(40), Decimal(60))
    counted = HourFigures.objects.get()
    assert (counted.commands_not_done, counted.callbacks, counted.callback_seconds) == (2, 2, 8)
    DailyUsage.objects.all().delete()
    refresh_nightly(now=now)
    assert not DayFigures.objects.exists()


def test_a_new_platform_counts_all_days_at_once_and_then_only_the_last_ones(rows):
    now = timezone.now()
    today = timezone.localdate(now)
    days = [today - timedelta(days=ago) for ago in (40, 31, 7, 1)]
    first, *others = DailyUsage.objects.order_by("pk")
    for row, day in zip([first, *others], days, strict=False):
        DailyUsage.objects.filter(pk=row.pk).update(day=day)
    DailyUsage.objects.exclude(day__in=days).delete()
    refresh(now=now)
    counted = list(DayFigures.objects.order_by("day").values_list("day", flat=True))
    assert counted == [day for day in days[1:] if DailyUsage.objects.filter(day=day).exists()]
    DailyUsage.objects.all().delete()
    refresh(now=now)
    assert list(DayFigures.objects.order_by("day").values_list("day", flat=True)) == counted[:-1]


def test_readings_are_counted_by_the_hour(rows):
    now = timezone.now()
    Reading.objects.filter(pk=Reading.objects.order_by("pk").first().pk).update(read_at=now - timedelta(seconds=1))
    refresh(now=now)
    assert HourFigures.objects.get().readings == 1


def test_another_companys_rows_do_not_show(client, rows):
    refresh(now=timezone.now())
    clerk = make_person("clerk", superuser=False)
    names = ["view_meter", "view_alarm", "view_command", "view_reading"]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    scope, _ = StaffScope.objects.update_or_create(user=clerk, defaults={"all_companies": False})
    assert {need.count for need in sign_in(client, person=clerk).get("/admin/").context["needs"]} == {0}
    scope.companies.add(Company.objects.get(code="idle"))
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/admin/")
    # Four of them ask what the clerk may do and see.
    assert len(queries) <= 11
    assert {need.count for need in response.context["needs"]} == {0}
    assert {figure["count"] for figure in response.context["fleet"]["figures"]} == {0}
    scope.companies.add(rows.company)
    response = client.get("/admin/")
    assert response.context["fleet"]["figures"][0]["count"] == 2


def test_who_may_see_nothing_gets_an_empty_home(client, rows):
    response = sign_in(client, person=make_person("nobody", superuser=False)).get("/admin/")
    assert (response.context["needs"], response.context["fleet"], response.context["charts"]) == ([], None, [])
