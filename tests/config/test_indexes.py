"""Indexes of large tables: none that only a deletion or a LIKE would read, and rows that change often stay in place."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from protocol import shares
from protocol.delivery import deliver_due
from protocol.models import OutboundLane, OutboundMessage, PeerHealth
from protocol.outbox import enqueue
from readings.settlement import settle
from tests.protocol.receiver import echo, receiving
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
    tables = ("meters_account", "meters_meterstate")
    before = updates(*tables)
    build()
    for table, (updated, in_place) in since(before, *tables).items():
        assert updated >= 20, table
        assert in_place == updated, table


def build():
    world = build_world()
    make_price(world)
    for number in range(4):
        meter = make_meter(world, f"18801111012{number}")
        for day in range(2, 8):
            read(meter, f"2025-03-0{day} 12:00:00", day)
            settle(through=local_day(f"2025-03-0{day}"), now=NOW)


@pytest.fixture
def outbox(transactional_db, monkeypatch):
    """A CIS, 60 messages to it in the pages of one partition, and what was updated in that before."""
    # All at once: failures of the first ones would open the breaker before the others are sent.
    monkeypatch.setattr(shares, "FIRST_REQUESTS", 60)
    now = timezone.now()
    with receiving() as receiver:
        world = build_world(cis_url=receiver.url)
        body = {"text": "x" * 700}
        for lane in range(60):
            enqueue(peer=world.cis_peer, company_id=world.company.pk, code="2003", lane=lane, body=body, now=now)
        month = f"protocol_outboundmessage_p{now:%Y%m}01"
        yield receiver, month, updates(month)


def test_a_claim_and_a_delivery_update_messages_in_place(outbox):
    _, month, before = outbox
    assert deliver_due() == 60
    assert since(before, month) == {month: (60, 60)}


def test_a_failed_try_and_the_next_one_update_messages_in_place(outbox):
    """Of each page a third, so that there is room for both whatever the server can tidy up between them."""
    receiver, month, before = outbox
    OutboundLane.objects.annotate(third=F("lane") % 3).exclude(third=0).update(
        due_at=timezone.now() + timedelta(days=1)
    )
    receiver.answer = echo("9995")
    failed = deliver_due()
    PeerHealth.objects.all().delete()
    OutboundLane.objects.filter(due_at__lt=timezone.now() + timedelta(hours=1)).update(due_at=timezone.now())
    receiver.answer = echo("0000")
    assert (failed, deliver_due()) == (20, 20)
    assert OutboundMessage.objects.filter(state="delivered", tries=2).count() == 20
    assert since(before, month) == {month: (40, 40)}


def updates(*tables):
    """Of each table how many rows were updated, and how many of those in place."""
    query("SELECT pg_stat_force_next_flush()")
    rows = query("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = ANY(%s)", [*tables])
    return {table: (updated, in_place) for table, updated, in_place in rows}


def since(before, *tables):
    now = updates(*tables)
    return {table: tuple(new - old for new, old in zip(now[table], before[table], strict=True)) for table in tables}
