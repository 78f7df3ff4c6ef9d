"""Readings lie in partitions by month: what must hold of them holds across bounds, and few partitions are asked."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from protocol.partitions.care import tend_partitions
from protocol.partitions.catalog import partitioned_by
from protocol.partitions.declared import declared_tables
from protocol.partitions.problems import partition_problems
from readings.latest import last_valid
from readings.models import Reading
from readings.settlement import settle
from tests.readings.books import NOW, make_meter, make_price, qualities, read, usage
from tests.world import local

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter(world):
    make_price(world)
    return make_meter(world, born="2025-02-01 00:00:00")


@pytest.fixture
def months():
    """A partition for each month from the autumn of 2024 to NOW, whatever day it is outside."""
    tend_partitions(now=NOW, tables=readings_table(), since=local("2024-10-01 12:00:00"))


def readings_table():
    return [table for table in declared_tables() if table.table == "readings_reading"]


def where():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM readings_reading ORDER BY read_at")
        return [name.removeprefix("readings_reading_") for (name,) in cursor.fetchall()]


def asked(run):
    """The partitions that the statements of `run` read, by their plans."""
    with CaptureQueriesContext(connection) as queries:
        run()
    names = set()
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN (FORMAT json) {query['sql']}")
                names |= set(relations(cursor.fetchone()[0]))
    return sorted(name.removeprefix("readings_reading_") for name in names)


def relations(plan):
    plan = json.loads(plan) if isinstance(plan, str) else plan
    for node in plan if isinstance(plan, list) else [plan]:
        if "Relation Name" in node:
            yield node["Relation Name"]
        for key in ("Plan", "Plans"):
            yield from relations(node.get(key, []))


def test_the_database_key_begins_with_the_meter():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'readings_reading'::regclass AND contype IN ('p', 'u', 'f')"
        )
        assert cursor.fetchall() == [("reading_known_once", "PRIMARY KEY (meter_id, read_at, index) INCLUDE (quality)")]
    assert partitioned_by("readings_reading") == "read_at"


def test_readings_around_a_month_are_known_and_judged_across_it(meter, months):
    read(meter, "2025-02-28 23:59:59", 10)
    read(meter, "2025-03-01 07:59:59", 12)
    read(meter, "2025-03-01 08:00:00", 13)
    assert where() == ["p20250201", "p20250201", "p20250301"]
    assert read(meter, "2025-03-01 08:00:00", 13).stored == []
    read(meter, "2025-03-01 08:00:00", 14)
    read(meter, "2025-02-15 12:00:00", 11)
    assert qualities(meter) == [
        ("2025-02-15 12:00:00", "11", "valid"),
        ("2025-02-28 23:59:59", "10", "decrease"),
        ("2025-03-01 07:59:59", "12", "valid"),
        ("2025-03-01 08:00:00", "13", "valid"),
        ("2025-03-01 08:00:00", "14", "conflict"),
    ]


def test_a_month_without_a_partition_loses_nothing_and_is_settled_alike(meter):
    for day, index in [("2025-02-27", 10), ("2025-03-01", 12), ("2025-03-02", 15)]:
        read(meter, f"{day} 12:00:00", index)
    assert set(where()) == {"default"}
    settle(through=local("2025-03-02 12:00:00").date(), now=NOW)
    before = usage(meter)
    assert [problem.kind for problem in partition_problems(now=NOW, tables=readings_table())] != []
    tend_partitions(now=NOW, tables=readings_table())
    assert where() == ["p20250201", "p20250301", "p20250301"]
    assert read(meter, "2025-03-01 12:00:00", 12).stored == []
    read(meter, "2025-02-26 12:00:00", 1)
    settle(through=local("2025-03-02 12:00:00").date(), now=NOW)
    assert usage(meter)[-2:] == before[-2:]


def test_the_latest_reading_is_looked_for_in_recent_months_first(meter, months):
    read(meter, "2025-03-01 12:00:00", 12)
    moment = local("2025-03-03 12:00:00")
    found = (local("2025-03-01 12:00:00"), 12)
    assert last_valid(meter, before=moment) == found
    assert asked(lambda: last_valid(meter, before=moment)) == ["p20250101", "p20250201", "p20250301"]


def test_an_older_one_is_found_when_no_recent_one_is_there(meter, months):
    read(meter, "2025-03-01 12:00:00", 12)
    assert last_valid(meter, before=local("2025-05-30 12:00:00")) == (local("2025-03-01 12:00:00"), 12)
    assert last_valid(meter, before=local("2025-03-01 12:00:00")) is None
    assert last_valid(meter) == (local("2025-03-01 12:00:00"), 12)


def test_a_report_asks_no_month_before_the_last_one(meter, months):
    read(meter, "2025-03-20 12:00:00", 12)
    past = ["p20241001", "p20241101", "p20241201", "p20250101"]
    assert not set(past) & set(asked(lambda: read(meter, "2025-03-21 12:00:00", 13)))


def test_a_reading_is_found_by_its_id(meter, months):
    read(meter, "2025-03-01 12:00:00", 12)
    reading = Reading.objects.get()
    assert Reading.objects.get(pk=reading.pk).index == 12
