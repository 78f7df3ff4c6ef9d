"""Daily usage lies in partitions by month of its day, across which it is settled, and settled again."""

import pytest
from django.db import connection

from protocol.partitions.care import tend_partitions
from protocol.partitions.catalog import partitioned_by
from protocol.partitions.declared import declared_tables
from readings.models import DailyUsage
from readings.settlement import settle
from tests.readings.books import NOW, local_day, make_meter, make_price, read, usage
from tests.world import local

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter(world):
    make_price(world)
    return make_meter(world, born="2025-02-01 00:00:00")


def tend():
    tables = [table for table in declared_tables() if table.table == "readings_dailyusage"]
    tend_partitions(now=NOW, tables=tables, since=local("2025-01-10 12:00:00"))


def where():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM readings_dailyusage ORDER BY day")
        return [name.removeprefix("readings_dailyusage_") for (name,) in cursor.fetchall()]


def test_the_database_key_is_meter_day_and_tier():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'readings_dailyusage'::regclass AND contype IN ('p', 'u', 'f')"
        )
        assert cursor.fetchall() == [("daily_usage_once", "PRIMARY KEY (meter_id, day, tier)")]
    assert partitioned_by("readings_dailyusage") == "day"


def test_days_around_a_month_are_settled_and_settled_again_across_it(meter):
    tend()
    for day, index in [("2025-02-28", 1), ("2025-03-01", 2), ("2025-03-02", 4)]:
        read(meter, f"{day} 12:00:00", index)
    settle(through=local_day("2025-03-02"), now=NOW)
    assert where() == ["p20250201", "p20250301", "p20250301"]
    before = usage(meter)
    read(meter, "2025-02-27 12:00:00", "0.5")
    settle(through=local_day("2025-03-02"), now=NOW)
    assert where() == ["p20250201", "p20250201", "p20250301", "p20250301"]
    assert usage(meter)[-2:] == before[-2:]


def test_a_month_without_a_partition_loses_nothing_and_a_row_is_found_by_its_id(meter):
    read(meter, "2025-02-28 12:00:00", 1)
    settle(through=local_day("2025-03-02"), now=NOW)
    before = usage(meter)
    assert where() == ["default"]
    tend()
    assert where() == ["p20250201"]
    assert usage(meter) == before
    row = DailyUsage.objects.get()
    assert DailyUsage.objects.get(pk=row.pk).day == local_day("2025-02-28")
