"""One valve wish for many meters: a dry run that asks nothing, then each meter once, however often workers die."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from commands import bulk as bulks
from commands.bulk import BulkMoved, TooManyMeters, ask_next, cancel_bulk, carry_out, draft, progress_of, start
from commands.models import BulkCommand, BulkRow, Command
from meters.models import Meter, MeterState, ValveState
from staff.models import StaffAct
from tests.admin.rows import NOW, make_command, make_meter, make_parties, make_person

pytestmark = pytest.mark.django_db
OPEN, CLOSED = ValveState.OPEN, ValveState.CLOSED


@pytest.fixture
def rows():
    return make_parties()


@pytest.fixture
def by(rows):
    return make_person()


def dry_run(by, wish=CLOSED):
    return draft(Meter.objects.all(), wish=wish, by=by, selection="all", now=NOW)


def add(rows, number, **state):
    meter = make_meter(rows, number)
    MeterState.objects.filter(meter=meter).update(**{"reported_at": NOW, **state})
    return meter


def outcomes(bulk):
    rows = BulkRow.objects.filter(bulk=bulk).order_by("meter")
    return dict(rows.values_list("meter__meter_no", "outcome"))


def test_a_dry_run_says_what_would_become_of_each_meter_and_asks_nothing(rows, by):
    add(rows, 1)
    add(rows, 2, valve="closed")
    add(rows, 3, reported_at=None)
    ended, waiting, opposite = add(rows, 4), add(rows, 5), add(rows, 6, valve="closed")
    Meter.objects.filter(pk=ended.pk).update(status="ended", ended_at=NOW)
    make_command(rows, waiting, state="queued")
    Command.objects.filter(pk=make_command(rows, opposite, state="queued").pk).update(payload={"valveSet": "0"})
    bulk = dry_run(by)
    assert list(outcomes(bulk).values()) == ["waiting", "already", "no_route", "ended", "under_way", "waiting"]
    assert (bulk.total, bulk.state, list(bulk.companies.all())) == (6, "draft", [rows.company])
    assert Command.objects.count() == 2
    assert carry_out(clock=timezone.now) == 0
    assert Command.objects.count() == 2


def test_a_started_bulk_asks_each_meter_once_and_ends(rows, by):
    meters = [add(rows, number) for number in (1, 2, 3)]
    bulk = dry_run(by)
    start(bulk, by=by, now=NOW)
    with pytest.raises(BulkMoved):
        start(bulk, by=by, now=NOW)
    assert carry_out(clock=timezone.now) == 3
    assert carry_out(clock=timezone.now) == 0
    commands = Command.objects.order_by("meter")
    assert [(c.meter, c.payload, c.origin, c.requested_by) for c in commands] == [
        (meter, {"valveSet": "1"}, "staff", by) for meter in meters
    ]
    bulk.refresh_from_db()
    assert bulk.state == "done"
    progress = progress_of(bulk)
    assert (progress.outcomes, progress.commands, progress.left) == ({"asked": 3}, {"queued": 3}, 0)
    act = StaffAct.objects.get()
    assert (act.act, act.by, act.after["meters"], act.company) == ("bulk.start", by, 3, rows.company)


def test_what_has_changed_since_the_dry_run_is_seen(rows, by):
    ended, closed = add(rows, 1), add(rows, 2)
    bulk = dry_run(by)
    start(bulk, by=by, now=NOW)
    Meter.objects.filter(pk=ended.pk).update(status="ended", ended_at=NOW)
    MeterState.objects.filter(meter=closed).update(valve="closed")
    carry_out(clock=timezone.now)
    assert list(outcomes(bulk).values()) == ["ended", "already"]
    assert not Command.objects.exists()


def test_a_bulk_that_is_cancelled_asks_no_further_meter(rows, by):
    add(rows, 1)
    add(rows, 2)
    bulk = dry_run(by)
    start(bulk, by=by, now=NOW)
    assert ask_next(bulk, now=NOW)
    cancel_bulk(bulk, by=by, now=NOW)
    assert not ask_next(bulk, now=NOW)
    assert carry_out(clock=timezone.now) == 0
    assert list(outcomes(bulk).values()) == ["asked", "cancelled"]
    assert Command.objects.count() == 1
    with pytest.raises(BulkMoved):
        cancel_bulk(bulk, by=by, now=NOW)
    assert StaffAct.objects.filter(act="bulk.cancel").count() == 1


def test_a_bulk_that_was_killed_goes_on_where_it_was(rows, by, monkeypatch):
    for number in range(1, 6):
        add(rows, number)
    bulk = dry_run(by)
    start(bulk, by=by, now=NOW)
    ask_next(bulk, now=NOW)
    real = bulks.submit

    def die_after_asking(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(bulks, "submit", die_after_asking)
    with pytest.raises(KeyboardInterrupt):
        carry_out(clock=timezone.now)
    assert (Command.objects.count(), progress_of(bulk).left) == (1, 4)
    monkeypatch.undo()
    carry_out(clock=timezone.now)
    assert Command.objects.values("meter").distinct().count() == Command.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_ask_each_meter_once():
    rows = make_parties()
    by = make_person()
    for number in range(1, 13):
        add(rows, number)
    bulk = dry_run(by)
    start(bulk, by=by, now=NOW)

    def work():
        try:
            carry_out(clock=timezone.now)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Command.objects.values("meter").distinct().count() == Command.objects.count() == 12
    assert BulkCommand.objects.get().state == "done"


def test_too_many_meters_are_refused(rows, by, monkeypatch):
    monkeypatch.setattr(bulks, "MOST_METERS", 1)
    add(rows, 1)
    add(rows, 2)
    with pytest.raises(TooManyMeters):
        dry_run(by)
    assert not BulkCommand.objects.exists()


def test_a_dry_run_that_nobody_started_is_forgotten(rows, by):
    add(rows, 1)
    dry_run(by)
    assert bulks.forget_drafts(now=NOW) == 0
    bulks.forget_drafts(now=NOW + bulks.DRAFT_LIFE * 2)
    assert not BulkCommand.objects.exists()
