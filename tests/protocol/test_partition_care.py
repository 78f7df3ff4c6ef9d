"""Partitions are made ahead, rows are rescued from the default one, and only what is wholly past is dropped."""

from datetime import timedelta

import pytest

from protocol.partitions import care as care_module
from protocol.partitions.care import Care, make_partitions, tend_partitions
from protocol.partitions.catalog import columns_of, partitioned_by, partitions_of, spans_of
from protocol.partitions.declared import Interval, Span
from tests.protocol.partitioned import NOW, add, create_trial, declare, moment, names, sql, where

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _trial(settings):
    settings.PARTITIONS_AHEAD_DAYS = 14
    create_trial()


def test_months_are_made_from_this_one_to_the_days_ahead():
    care = tend_partitions(now=NOW, tables=[declare()])
    assert care == Care(made=["trial_p20260301", "trial_p20260401"])
    assert names() == ["trial_p20260301", "trial_p20260401", "trial_default"]
    assert spans_of("trial") == [
        Span(moment("2026-03-01"), moment("2026-04-01")),
        Span(moment("2026-04-01"), moment("2026-05-01")),
    ]
    assert tend_partitions(now=NOW, tables=[declare()]).made == []


def test_days_are_made_behind_and_ahead():
    make_partitions(now=NOW, tables=[declare(interval=Interval.DAY, behind_days=2)])
    days = [span.begins for span in spans_of("trial")]
    assert days == [moment("2026-03-29") + timedelta(days=n) for n in range(17)]


def test_a_table_that_is_not_there_or_plain_is_left_alone():
    sql("CREATE TABLE plain (at timestamptz)")
    assert make_partitions(now=NOW, tables=[declare("plain"), declare("nowhere")]).made == []
    assert partitioned_by("plain") is None
    assert partitioned_by("trial") == "at"


def test_rows_on_both_sides_of_a_bound_go_into_partitions_by_utc_whatever_the_zone(settings):
    make_partitions(now=NOW, tables=[declare()])
    add("2026-03-31 23:59:59.999999")
    add("2026-04-01 00:00")
    # The first of April begins in Shanghai while it is the last of March in UTC.
    sql("INSERT INTO trial (meter_id, at, index) VALUES (2, '2026-04-01 00:30+08', 5)")
    assert where() == [
        ("trial_p20260301", "2026-03-31 16:30"),
        ("trial_p20260301", "2026-03-31 23:59"),
        ("trial_p20260401", "2026-04-01 00:00"),
    ]


def test_a_row_that_fits_no_partition_is_kept_and_rescued():
    add("2026-03-31 10:00")
    add("2026-04-02 10:00", meter=2)
    add("2025-12-05 10:00", meter=3)
    assert {name for name, _ in where()} == {"trial_default"}
    care = tend_partitions(now=NOW, tables=[declare()])
    assert care.rescued == 3
    assert care.made == ["trial_p20260301", "trial_p20260401", "trial_p20251201"]
    assert where() == [
        ("trial_p20251201", "2025-12-05 10:00"),
        ("trial_p20260301", "2026-03-31 10:00"),
        ("trial_p20260401", "2026-04-02 10:00"),
    ]
    assert sql("SELECT doubled FROM trial") == [(10,)] * 3
    assert sql("SELECT DISTINCT id > 0 FROM trial") == [(True,)]


def test_a_default_partition_that_is_gone_is_made_again():
    sql("DROP TABLE trial_default")
    assert make_partitions(now=NOW, tables=[declare()]).made == ["trial_default", "trial_p20260301", "trial_p20260401"]
    add("2025-01-01 00:00")
    assert where() == [("trial_default", "2025-01-01 00:00")]


def test_very_old_strays_stay_in_the_default_partition():
    add("2000-01-01 00:00")
    assert tend_partitions(now=NOW, tables=[declare()]).rescued == 0
    assert where() == [("trial_default", "2000-01-01 00:00")]


def test_more_rows_than_beat_may_move_wait_for_the_command(caplog, monkeypatch):
    monkeypatch.setattr(care_module, "RESCUE_LIMIT", 3)
    for meter in range(4):
        add("2026-01-05 10:00", meter=meter)
    care = tend_partitions(now=NOW, tables=[declare()])
    assert (care.postponed, care.rescued) == (["trial_p20260101"], 0)
    assert "run manage.py partitions" in caplog.text
    assert tend_partitions(now=NOW, tables=[declare()], rescue_all=True).rescued == 4


def test_a_gap_beside_an_existing_partition_is_filled_when_the_interval_changes():
    make_partitions(now=NOW, tables=[declare()])
    make_partitions(now=NOW + timedelta(days=22), tables=[declare(interval=Interval.DAY)])
    spans = spans_of("trial")
    assert spans[1] == Span(moment("2026-04-01"), moment("2026-05-01"))
    assert spans[2:] == [Span(moment(f"2026-05-0{n}"), moment(f"2026-05-0{n + 1}")) for n in range(1, 7)]


def test_partitions_reach_back_before_an_import():
    tend_partitions(now=NOW, tables=[declare()], since=moment("2025-12-24"))
    assert names()[:4] == ["trial_p20251201", "trial_p20260101", "trial_p20260201", "trial_p20260301"]


def test_retention_drops_only_what_is_wholly_past():
    table = declare(keep_days=31)
    tend_partitions(now=NOW, tables=[declare()], since=moment("2026-01-01"))
    for day in ["2026-01-31 23:00", "2026-02-01 00:00", "2025-11-01 00:00"]:
        add(day)
    assert tend_partitions(now=moment("2026-03-04 23:59"), tables=[table]).dropped == []
    assert tend_partitions(now=moment("2026-03-05 00:00"), tables=[table]).dropped == ["trial_p20260101"]
    assert where() == [("trial_p20260201", "2026-02-01 00:00")]
    assert tend_partitions(now=moment("2026-04-01 23:59"), tables=[table]).dropped == []
    assert tend_partitions(now=moment("2026-04-02 00:00"), tables=[table]).dropped == ["trial_p20260201"]
    assert where() == []


def test_what_is_kept_for_ever_is_never_dropped():
    add("2024-01-01 00:00")
    tend_partitions(now=NOW, tables=[declare(keep_days=0)])
    assert tend_partitions(now=NOW + timedelta(days=5000), tables=[declare(keep_days=0)]).dropped == []
    assert where() == [("trial_p20240101", "2024-01-01 00:00")]


def test_partitions_are_not_made_where_they_would_be_dropped():
    table = declare(interval=Interval.DAY, keep_days=3, behind_days=60)
    tend_partitions(now=NOW, tables=[table])
    assert names()[0] == "trial_p20260327"
    assert tend_partitions(now=NOW, tables=[table]).dropped == []


def test_a_partition_has_the_indexes_checks_and_storage_of_its_table():
    make_partitions(now=NOW, tables=[declare(storage="fillfactor = 70")])
    definitions = sql("SELECT indexdef FROM pg_indexes WHERE tablename = 'trial_p20260301' ORDER BY indexname")
    assert [definition.split(" USING ")[1] for (definition,) in definitions] == ["btree (at)", "btree (meter_id, at)"]
    assert sql("SELECT reloptions FROM pg_class WHERE relname = 'trial_p20260301'") == [(["fillfactor=70"],)]
    assert sql("SELECT count(*) FROM pg_constraint WHERE conrelid = 'trial_p20260301'::regclass AND contype = 'c'") == [
        (1,)
    ]
    assert columns_of("trial_p20260301") == ["id", "meter_id", "at", "index"]


def test_a_table_cut_by_a_date():
    sql("DROP TABLE trial")
    create_trial("date")
    tend_partitions(now=NOW, tables=[declare()], since=moment("2026-02-01"))
    for day in ["2026-02-28", "2026-03-01", "2025-12-31"]:
        add(day)
    tend_partitions(now=NOW, tables=[declare()])
    assert [name for name, _ in where()] == ["trial_p20251201", "trial_p20260201", "trial_p20260301"]
    plan = sql("EXPLAIN SELECT * FROM trial WHERE at >= '2026-03-01' AND at < '2026-03-09'")
    assert "trial_p20260301" in str(plan)
    assert "trial_p20260201" not in str(plan) and "default" not in str(plan)


def test_sizes_are_told():
    make_partitions(now=NOW, tables=[declare()])
    sql("INSERT INTO trial (meter_id, at, index) SELECT n, '2026-03-05', 1 FROM generate_series(1, 500) n")
    sql("ANALYZE trial")
    march = partitions_of("trial")[0]
    assert (march.rows, march.size_bytes > 16_384) == (500, True)
