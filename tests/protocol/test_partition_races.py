"""Writers and readers of a table while its partitions are made and dropped, on real connections."""

import threading

import pytest
from django.db import transaction

from protocol.partitions.care import tend_partitions
from tests.lives.meetings import until_waiting
from tests.protocol.partitioned import NOW, add, create_trial, declare, drop_trial, moment, names, sql, where
from tests.readings.elsewhere import PATIENCE_SECONDS, done, elsewhere
from tests.running.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _trial(settings):
    settings.PARTITIONS_AHEAD_DAYS = 14
    create_trial()
    yield
    drop_trial()


@pytest.fixture
def patient(monkeypatch):
    """On a busy machine others may hold a lock for longer than a round usually waits."""
    monkeypatch.setattr("protocol.partitions.care.LOCK_TIMEOUT_MS", 20_000)


def held(work):
    """`work` in a transaction that stays open until the returned function ends it."""
    reached, go_on = threading.Event(), threading.Event()

    @transaction.atomic
    def linger():
        work()
        reached.set()
        assert go_on.wait(PATIENCE_SECONDS)

    lingering = elsewhere(linger)
    assert reached.wait(PATIENCE_SECONDS)

    def finish():
        go_on.set()
        return done(lingering)

    return finish


def test_rows_that_are_written_while_a_partition_is_made_are_all_kept(patient):
    stop = threading.Event()

    def write(first):
        meter = first
        while not stop.is_set():
            add("2026-03-31 12:00", meter=meter)
            meter += 4
        return (meter - first) // 4

    writers = [elsewhere(lambda first=first: write(first)) for first in range(4)]
    wait_until(where, seconds=PATIENCE_SECONDS, what="somebody has written")
    made = tend_partitions(now=NOW, tables=[declare()])
    wait_until(lambda: len(where()) > made.rescued, seconds=PATIENCE_SECONDS, what="somebody has written since")
    stop.set()
    written = sum(done(writer) for writer in writers)
    assert made.made == ["trial_p20260301", "trial_p20260401"]
    assert written > made.rescued > 0
    assert where() == [("trial_p20260301", "2026-03-31 12:00")] * written


def test_a_writer_that_came_while_a_partition_was_being_made_finds_it():
    def make_and_wait_for_a_writer():
        tend_partitions(now=NOW, tables=[declare()])

    finish = held(make_and_wait_for_a_writer)
    writer = elsewhere(lambda: add("2026-03-31 12:00"))
    until_waiting(1)
    finish()
    done(writer)
    assert where() == [("trial_p20260301", "2026-03-31 12:00")]


def test_a_partition_in_whose_place_somebody_writes_waits_for_the_next_round(caplog):
    finish = held(lambda: add("2026-03-31 12:00"))
    care = tend_partitions(now=NOW, tables=[declare()])
    assert (care.made, care.postponed) == ([], ["trial_p20260301", "trial_p20260401"])
    assert "has to wait: its table is in use" in caplog.text
    finish()
    assert tend_partitions(now=NOW, tables=[declare()]).rescued == 1


def test_a_partition_that_somebody_reads_is_dropped_in_the_next_round():
    tend_partitions(now=NOW, tables=[declare()], since=moment("2026-01-01"))
    table = declare(keep_days=40)
    finish = held(lambda: sql("SELECT count(*) FROM trial"))
    care = tend_partitions(now=NOW, tables=[table])
    assert (care.dropped, care.postponed) == ([], ["trial_p20260101"])
    finish()
    assert tend_partitions(now=NOW, tables=[table]).dropped == ["trial_p20260101"]
    assert names()[0] == "trial_p20260201"


def test_two_rounds_at_once_make_each_partition_once(patient):
    both = [elsewhere(lambda: tend_partitions(now=NOW, tables=[declare()])) for _ in range(2)]
    made = [name for one in both for name in done(one).made]
    assert sorted(made) == ["trial_p20260301", "trial_p20260401"]
    assert names() == ["trial_p20260301", "trial_p20260401", "trial_default"]
