"""Cycles (R9): blocks of months from January 2000. The rule in Python and the rule in SQL are one rule."""

from datetime import date, timedelta

import pytest
from django.db import connection

from pricing.cycles import CYCLE_BLOCK_SQL, block_start, cycle_start

LENGTHS = [1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 18, 24, 36, 120, 1200]
FIRST, LAST = date(1999, 1, 1), date(2101, 1, 2)


@pytest.mark.django_db
def test_sql_and_python_agree_on_every_day():
    """All lengths on the days around the turn of each month, one length in turn on all other days."""
    block = CYCLE_BLOCK_SQL.format(day="day::date", months="months")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT day::date, months, {block}
            FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') day, unnest(%(lengths)s) months
            WHERE extract(day FROM day + interval '1 day') <= 2
                OR (day::date - date '1999-01-01') %% 16 = array_position(%(lengths)s, months) - 1
            """,
            {"first": FIRST, "last": LAST, "lengths": LENGTHS},
        )
        rows = cursor.fetchall()
    assert len(rows) > 60_000
    assert {(day, months) for day, months, start in rows if block_start(day, months=months) != start} == set()


@pytest.mark.parametrize("months", range(1, 25))
def test_a_block_is_walked_from_january_2000(months):
    start, year, month = date(2000, 1, 1), 2000, 1
    for _ in range(40):
        year, month = year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1
        following = date(year, month, 1)
        for day in (start, start + timedelta(days=1), following - timedelta(days=1)):
            assert block_start(day, months=months) == start
        start = following


@pytest.mark.parametrize(
    ("day", "months", "start"),
    [
        ("2025-03-15", 12, "2025-01-01"),
        ("2025-03-15", 1, "2025-03-01"),
        ("2024-02-29", 3, "2024-01-01"),
        ("2025-12-31", 24, "2024-01-01"),
        ("2026-01-01", 24, "2026-01-01"),
        ("2000-01-01", 7, "2000-01-01"),
        ("1999-12-31", 7, "1999-06-01"),
        ("2025-07-01", 6, "2025-07-01"),
    ],
)
def test_known_days(day, months, start):
    assert block_start(date.fromisoformat(day), months=months) == date.fromisoformat(start)


@pytest.mark.parametrize(
    ("restarted_on", "start"),
    [(None, "2025-01-01"), ("2024-06-01", "2025-01-01"), ("2025-01-01", "2025-01-01"), ("2025-03-15", "2025-03-15")],
)
def test_a_restart_counts_until_the_next_block_begins(restarted_on, start):
    restart = date.fromisoformat(restarted_on) if restarted_on else None
    assert cycle_start(date(2025, 3, 15), months=12, restarted_on=restart) == date.fromisoformat(start)
