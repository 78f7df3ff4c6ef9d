"""Indexes of large tables: none that only a deletion or a LIKE would read, and rows that change often stay in place."""

import pytest
from django.db import connection

from readings.settlement import settle
from tests.readings.books import NOW, local_day, make_meter, make_price, read
from tests.world import build_world

LARGE = [
    *("protocol_inboundserial", "protocol_inboundmessage"),
    *("protocol_outboundmessage", "protocol_outboundattempt", "commands_command"),
    *("readings_reading", "readings_dailyusage", "meters_account", "meters_meterstate", "meters_accountentry"),
]


def query(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


@pytest.mark.django_db
@pytest.mark.parametrize("table", LARGE)
def test_no_index_of_a_large_table_is_covered_by_another_one(table):
    indexes = query(
        """SELECT indexrelid::regclass::text, indkey::int2[], coalesce(pg_get_expr(indpred, indrelid), '')
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
        WHERE indrelid = %s::regclass AND amname = 'btree'""",
        table,
    )
    doubled = [
        (name, other)
        for name, columns, condition in indexes
        for other, others, other_condition in indexes
        if name != other and condition == other_condition and others[: len(columns)] == columns
    ]
    assert indexes
    assert doubled == []


@pytest.mark.django_db(transaction=True)
def test_reports_and_settlement_update_states_and_accounts_in_place():
    from_before = hot_updates()
    build()
    query("SELECT pg_stat_force_next_flush()")
    after = hot_updates()
    for table, (updated, in_place) in after.items():
        was_updated, was_in_place = from_before[table]
        assert updated - was_updated >= 20
        assert in_place - was_in_place == updated - was_updated


def build():
    world = build_world()
    make_price(world)
    for number in range(4):
        meter = make_meter(world, f"18801111012{number}")
        for day in range(2, 8):
            read(meter, f"2025-03-0{day} 12:00:00", day)
            settle(through=local_day(f"2025-03-0{day}"), now=NOW)


def hot_updates():
    rows = query(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = ANY(%s)",
        ["meters_account", "meters_meterstate"],
    )
    return {table: (updated, in_place) for table, updated, in_place in rows}
