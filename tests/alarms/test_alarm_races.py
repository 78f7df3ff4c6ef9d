"""The same alarm from many at once, on connections of their own."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from alarms.models import Alarm, AlarmOccurrence, AlarmType, Priority, Source
from alarms.services import Sighting, clear, raise_alarm
from alarms.watch import watch_silence
from meters.models import Meter
from tests.alarms.told import TAKEN, alarm, alarms, told
from tests.readings.elsewhere import PATIENCE_SECONDS, done, elsewhere, until_done_or_waiting
from tests.world import build_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world():
    world = build_world(cis_url="http://127.0.0.1:9/")
    world.create_price()
    world.register()
    return world


@pytest.fixture
def _sixteen_connections():
    """The pool of this process, grown for one test."""
    connection.close()
    connection.close_pool()
    pool = connection.settings_dict["OPTIONS"]["pool"]
    usual, pool["max_size"] = pool["max_size"], 20
    yield
    connection.close()
    connection.close_pool()
    pool["max_size"] = usual


def raise_leak(content):
    sighting = Sighting(type=AlarmType.LEAK, priority=Priority.HIGH, source=Source.HEADEND, at=timezone.now())
    return raise_alarm(Meter.objects.get(), sighting, content=content, now=timezone.now())


@pytest.mark.usefixtures("_sixteen_connections")
def test_sixteen_at_once_are_one_alarm_that_counts_sixteen(world):
    """All sixteen transactions stand open before the first of them raises the alarm."""
    together = threading.Barrier(16)

    @transaction.atomic
    def raise_together(number):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [pid] = cursor.fetchone()
        together.wait(PATIENCE_SECONDS)
        raise_leak(str(number))
        return pid

    pids = [done(one) for one in [elsewhere(lambda n=number: raise_together(n)) for number in range(16)]]
    assert len(set(pids)) == 16
    assert alarms() == [("02", "open", 16)]
    expected = sorted(map(str, range(16)))
    assert sorted(AlarmOccurrence.objects.values_list("content", flat=True)) == expected
    assert sorted(body["alarmContent"] for body in told()) == expected


def test_sixteen_messages_at_once_are_all_taken(world):
    answers = [done(one) for one in [elsewhere(lambda: alarm(world)) for _ in range(16)]]
    assert answers == [TAKEN] * 16
    assert alarms() == [("05", "open", 16)]


def test_an_alarm_that_comes_while_the_last_is_being_cleared_is_a_new_one(world):
    raise_leak("一")
    written, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def clear_slowly():
        clear(Alarm.objects.get(), by=None, because="好了", now=timezone.now())
        written.set()
        assert go_on.wait(PATIENCE_SECONDS)

    clearing = elsewhere(clear_slowly)
    assert written.wait(PATIENCE_SECONDS)
    raising = elsewhere(lambda: raise_leak("二"))
    assert not until_done_or_waiting(raising)
    go_on.set()
    done(clearing)
    done(raising)
    assert alarms() == [("02", "cleared", 1), ("02", "open", 1)]


def test_a_meter_whose_report_is_just_being_taken_is_not_silent(world):
    written, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def report_slowly():
        assert world.report(timezone.now(), "1")["echoCode"] == "0000"
        written.set()
        assert go_on.wait(PATIENCE_SECONDS)

    reporting = elsewhere(report_slowly)
    assert written.wait(PATIENCE_SECONDS)
    assert watch_silence(now=timezone.now()) == 0
    go_on.set()
    done(reporting)
    assert watch_silence(now=timezone.now()) == 0
    assert alarms() == []


def test_sweeps_at_once_raise_each_alarm_once(world):
    for number in range(8):
        world.register(f"20000000000{number}")
    now = timezone.now()
    raised = [done(one) for one in [elsewhere(lambda: watch_silence(now=now)) for _ in range(4)]]
    assert sum(raised) == 9
    assert alarms() == [("01", "open", 1)] * 9
    assert len(told()) == 9
