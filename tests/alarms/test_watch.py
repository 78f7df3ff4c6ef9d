"""The platform's own alarms: raised once while something is wrong, cleared by the report that shows it is over."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alarms import tasks, watch
from alarms.models import Alarm, AlarmOccurrence, AlarmThresholds
from alarms.services import acknowledge, clear
from alarms.watch import note_report, watch_silence
from meters.models import Meter, ValveState
from tests.admin.rows import make_person
from tests.alarms.told import METER, ago, alarm, alarms, told

OPEN, CLOSED, UNKNOWN = ValveState
LIMIT = timedelta(days=3)


@pytest.fixture
def registered_at(meter):
    return meter.registered_at


def sweep(moment):
    return watch_silence(now=moment)


def report(world, moment, index="1", **fields):
    answer = world.report(moment, index, **fields)
    assert answer["echoCode"] == "0000", answer


def note(meter, *, battery="6", valve=UNKNOWN, expected=None, at=None, now=None):
    battery = None if battery is None else Decimal(battery)
    at = at or ago(minutes=1)
    note_report(meter, battery_voltage=battery, valve=valve, expected_valve=expected, at=at, now=now or timezone.now())


# Silence (01)


def test_a_meter_that_never_reported_is_silent_after_three_days(world, meter, registered_at):
    assert sweep(registered_at + LIMIT - timedelta(seconds=1)) == 0
    now = registered_at + LIMIT
    assert sweep(now) == 1
    kept = Alarm.objects.get()
    assert (kept.type, kept.priority, kept.priority_differs, kept.by_headend) == ("01", 3, False, False)
    assert (kept.first_at, kept.content) == (now, "表具已 3 天以上未上报数据，启用以来从未上报")
    [body] = told()
    assert (body["alarmType"], body["alarmContent"], body["alarmPriority"]) == ("01", kept.content, "3")
    assert body["sdateTime"] == timezone.localtime(now).strftime("%Y%m%d%H%M%S")


def test_silence_counts_from_the_latest_report(world, meter):
    moment = ago(days=2)
    report(world, moment)
    assert sweep(moment + LIMIT - timedelta(seconds=1)) == 0
    assert sweep(moment + LIMIT) == 1
    since = timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
    assert Alarm.objects.get().content == f"表具已 3 天以上未上报数据，最近上报时间 {since}"


def test_one_alarm_per_silent_spell_also_when_staff_clear_it(world, meter):
    now = timezone.now()
    assert [sweep(now + timedelta(hours=hour)) for hour in range(3)] == [1, 0, 0]
    clear(Alarm.objects.get(), by=make_person(), because="知道了", now=now)
    assert sweep(now + timedelta(days=1)) == 0
    assert alarms() == [("01", "cleared", 1)]
    assert len(told()) == 1


def test_the_next_report_ends_the_silence_and_the_next_silence_is_a_new_one(world, meter):
    now = timezone.now()
    sweep(now)
    acknowledge(Alarm.objects.get(), by=make_person(), now=now)
    report(world, now)
    kept = Alarm.objects.get()
    assert (kept.state, kept.cleared_by, kept.cleared_because) == ("cleared", None, "reports_again")
    assert sweep(now + timedelta(days=2)) == 0
    assert sweep(now + timedelta(days=4)) == 1
    assert alarms() == [("01", "cleared", 1), ("01", "open", 1)]


def test_a_report_that_was_on_its_way_during_the_sweep_ends_the_silence_and_begins_another(world, meter):
    now = timezone.now()
    sweep(now)
    report(world, ago(minutes=30))
    assert alarms() == [("01", "cleared", 1)]
    assert sweep(now + LIMIT) == 1


def test_an_old_reading_that_comes_now_does_not_end_the_silence(world, meter):
    now = timezone.now()
    sweep(now)
    report(world, ago(days=5))
    assert sweep(now + timedelta(hours=1)) == 0
    assert alarms() == [("01", "open", 1)]


def test_what_the_headend_calls_silent_is_ended_by_a_later_report_only(world, meter):
    moment = ago(hours=2)
    alarm(world, moment, alarmType="01")
    assert sweep(timezone.now()) == 0
    report(world, moment - timedelta(minutes=1), "1")
    assert alarms() == [("01", "open", 1)]
    report(world, moment + timedelta(minutes=1), "2")
    assert alarms() == [("01", "cleared", 1)]


def test_the_headends_occurrence_joins_the_platforms_alarm(world, meter):
    sweep(timezone.now())
    alarm(world, alarmType="01")
    assert alarms() == [("01", "open", 2)]
    assert list(AlarmOccurrence.objects.order_by("id").values_list("source", flat=True)) == ["platform", "headend"]


def test_meters_that_have_ended_are_not_watched(world, meter):
    Meter.objects.update(status="ended", ended_at=timezone.now())
    assert sweep(timezone.now() + timedelta(days=9)) == 0


def test_a_manufacturer_may_be_silent_for_longer_or_less(world, meter, registered_at):
    thresholds = AlarmThresholds.objects.create(manufacturer=meter.manufacturer, silent_days=30)
    assert sweep(registered_at + timedelta(days=29)) == 0
    thresholds.silent_days = 1
    thresholds.save()
    assert sweep(registered_at + timedelta(days=1)) == 1
    assert "已 1 天以上" in Alarm.objects.get().content


def test_thresholds_left_empty_mean_the_settings(world, meter, registered_at, settings):
    settings.ALARM_SILENT_DAYS, settings.ALARM_BATTERY_VOLTS = 5, Decimal("3.6")
    AlarmThresholds.objects.create(manufacturer=meter.manufacturer)
    note(meter, battery="3.59")
    assert sweep(registered_at + timedelta(days=5, seconds=-1)) == 0
    assert sweep(registered_at + timedelta(days=5)) == 1
    assert alarms() == [("06", "open", 1), ("01", "open", 1)]


def test_many_silent_meters_are_raised_chunk_by_chunk_with_few_queries(world, meter, monkeypatch):
    for number in range(6):
        world.register(f"20000000000{number}")
    monkeypatch.setattr(watch, "CHUNK_METERS", 3)
    assert sweep(timezone.now()) == 7
    assert Alarm.objects.values("meter").distinct().count() == 7
    with CaptureQueriesContext(connection) as queries:
        assert sweep(timezone.now()) == 0
    assert len([q for q in queries if "SAVEPOINT" not in q["sql"]]) == 1


def test_the_task_sweeps_now(world, meter):
    assert tasks.watch_silence() == 1


# Battery (06)


def test_a_low_battery_is_raised_once_and_cleared_when_it_is_back(world, meter):
    moment = ago(hours=9)
    report(world, moment, "1", batteryCap="2.99")
    report(world, moment + timedelta(hours=1), "2", batteryCap="2.5")
    kept = Alarm.objects.get()
    assert (kept.type, kept.occurrences, kept.first_at) == ("06", 1, moment)
    assert kept.content == "电池电压 2.99V，低于 3V"
    report(world, moment + timedelta(hours=2), "3", batteryCap="3.0")
    kept.refresh_from_db()
    assert (kept.state, kept.cleared_because) == ("cleared", "battery_back")
    report(world, moment + timedelta(hours=3), "4", batteryCap="1")
    assert alarms() == [("06", "cleared", 1), ("06", "open", 1)]
    assert [body["alarmType"] for body in told()] == ["06", "06"]


def test_a_late_report_says_nothing_of_the_battery_now(world, meter):
    moment = ago(hours=2)
    report(world, moment, "2")
    report(world, moment - timedelta(hours=1), "1", batteryCap="1")
    assert alarms() == []


def test_the_battery_threshold_of_the_manufacturer(world, meter):
    AlarmThresholds.objects.create(manufacturer=meter.manufacturer, battery_volts=Decimal("5.5"))
    note(meter, battery="5.49")
    assert Alarm.objects.get().content == "电池电压 5.49V，低于 5.5V"


def test_a_threshold_of_zero_watches_no_battery_and_no_voltage_says_nothing(world, meter):
    note(meter, battery=None)
    AlarmThresholds.objects.create(manufacturer=meter.manufacturer, battery_volts=0)
    note(meter, battery="0")
    assert alarms() == []


@pytest.mark.parametrize("kind", ["05", "06"])
def test_what_the_headend_reported_is_not_cleared_by_our_own_measurement(world, meter, kind):
    alarm(world, alarmType=kind)
    note(meter, battery="6", valve=CLOSED, expected=CLOSED)
    assert alarms() == [(kind, "open", 1)]
    note(meter, battery="1", valve=OPEN, expected=CLOSED)
    assert [row for row in alarms() if row[0] == kind] == [(kind, "open", 1)]


# Valve (05)


@pytest.mark.parametrize("expected", [None, OPEN, CLOSED, UNKNOWN])
@pytest.mark.parametrize("valve", list(ValveState))
def test_a_valve_alarm_needs_two_known_states_that_differ(world, meter, expected, valve):
    note(meter, valve=valve, expected=expected)
    assert alarms() == ([("05", "open", 1)] if {valve, expected} == {OPEN, CLOSED} else [])


def test_a_valve_that_disobeys_is_raised_once_and_cleared_when_it_obeys(world, meter):
    for _ in range(2):
        note(meter, valve=OPEN, expected=CLOSED)
    kept = Alarm.objects.get()
    assert (kept.occurrences, kept.content) == (1, "阀门状态与指令不符：指令为关阀，上报为开阀")
    note(meter, valve=UNKNOWN, expected=CLOSED)
    note(meter, valve=OPEN, expected=None)
    assert alarms() == [("05", "open", 1)]
    note(meter, valve=CLOSED, expected=CLOSED)
    kept.refresh_from_db()
    assert (kept.state, kept.cleared_because) == ("cleared", "valve_agrees")


# What it costs


def test_a_report_without_anything_wrong_costs_one_query(world, meter, django_assert_num_queries):
    AlarmThresholds.objects.create(manufacturer=meter.manufacturer, silent_days=2)
    meter = Meter.objects.get(meter_no=METER)
    with django_assert_num_queries(1):
        note(meter, valve=OPEN, expected=OPEN)


def test_a_report_while_something_stays_wrong_costs_one_query(world, meter, django_assert_num_queries):
    note(meter, battery="1", valve=OPEN, expected=CLOSED)
    meter = Meter.objects.get(meter_no=METER)
    with django_assert_num_queries(1):
        note(meter, battery="1", valve=OPEN, expected=CLOSED)


def test_an_alarm_that_staff_clear_at_that_moment_stays_as_they_left_it(world, meter, monkeypatch):
    note(meter, battery="1")
    known = watch._known_of(meter)
    clear(Alarm.objects.get(), by=None, because="换了电池", now=timezone.now())
    monkeypatch.setattr(watch, "_known_of", lambda meter: known)
    note(meter, battery="6")
    assert Alarm.objects.get().cleared_because == "换了电池"
