"""The outbox by months: claimed across them, dropped when past, and never while a message in them is still owed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.translation import override

from protocol import lanes, undelivered
from protocol.delivery import deliver_due
from protocol.models import DeliveryState, OutboundAttempt, OutboundLane, OutboundMessage
from protocol.outbox import enqueue
from protocol.partitions import care as care_module
from protocol.partitions.care import tend_partitions
from protocol.partitions.catalog import partitioned_by
from protocol.partitions.declared import declared_tables
from protocol.partitions.problems import partition_problems
from tests.protocol.partitioned import sql
from tests.protocol.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES, ATTEMPTS = "protocol_outboundmessage", "protocol_outboundattempt"
# 180 days are kept, and the month of 12 March is past as a whole by the first of October.
SPRING = datetime(2021, 3, 12, 8, tzinfo=UTC)
AUTUMN = datetime(2021, 10, 15, 12, tzinfo=UTC)


@pytest.fixture
def receiver(world):
    with receiving() as running:
        world.cis_peer.url = running.url
        world.cis_peer.save()
        yield running


@pytest.fixture(autouse=True)
def _drop_what_was_made(transactional_db):
    yield
    made = sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^protocol_outbound.*_p2021'")
    for (name,) in made:
        sql(f"DROP TABLE {name}")


def tend(*, now=AUTUMN, since=None):
    tables = [table for table in declared_tables() if table.table in (MESSAGES, ATTEMPTS)]
    return tend_partitions(now=now, tables=tables, since=since)


def put(world, *, at, lane=1):
    return enqueue(peer=world.cis_peer, company_id=world.company.pk, code="2003", lane=lane, body={}, now=at)


def put_in_spring(world, *, lane=1, state=DeliveryState.DELIVERED):
    """One message of a month that is past, in its partition, with an attempt."""
    tend(now=SPRING, since=SPRING)
    message = put(world, at=SPRING, lane=lane)
    OutboundAttempt.objects.create(
        message=message, message_created_at=SPRING, attempted_at=SPRING + timedelta(days=40), duration_ms=1
    )
    if state != DeliveryState.PENDING:
        stuck_at = SPRING if state in undelivered.STUCK else None
        OutboundMessage.objects.filter(pk=message.pk).update(state=state, finished_at=SPRING, stuck_at=stuck_at)
        OutboundLane.objects.filter(lane=lane).delete()
    return message


def where(table, column="created_at"):
    return sql(f"SELECT tableoid::regclass::text FROM {table} ORDER BY {column}, id")


def problems(now=AUTUMN):
    with override("en"):
        found = partition_problems(now=now, tables=[t for t in declared_tables() if t.table in (MESSAGES, ATTEMPTS)])
    return [(problem.kind, problem.text) for problem in found]


def test_the_database_keys_hold_the_time_and_nothing_refers_to_the_tables():
    keys = sql(
        """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid::regclass::text IN (%s, %s) AND contype IN ('p', 'u', 'f') ORDER BY conname""",
        MESSAGES,
        ATTEMPTS,
    )
    assert keys == [
        (MESSAGES, "UNIQUE (serial_no, created_at)"),
        (ATTEMPTS, "PRIMARY KEY (id, message_created_at)"),
        (MESSAGES, "PRIMARY KEY (id, created_at)"),
    ]
    assert sql("SELECT conname FROM pg_constraint WHERE contype = 'f' AND confrelid = %s::regclass", MESSAGES) == []
    assert (partitioned_by(MESSAGES), partitioned_by(ATTEMPTS)) == ("created_at", "message_created_at")


def test_a_message_and_its_attempts_lie_in_the_partition_of_their_month(world, receiver):
    put(world, at=timezone.now())
    assert deliver_due() == 1
    month = f"{OutboundMessage.objects.get().created_at:%Y%m}01"
    assert where(MESSAGES) == [(f"{MESSAGES}_p{month}",)]
    assert where(ATTEMPTS, "message_created_at") == [(f"{ATTEMPTS}_p{month}",)]
    assert OutboundMessage.objects.get().attempts.get().message_created_at == OutboundMessage.objects.get().created_at


def test_a_lane_is_sent_in_order_across_months_and_from_the_default_partition(world, receiver):
    tend(now=SPRING, since=SPRING)
    now = timezone.now()
    moments = [SPRING, SPRING + timedelta(days=60), now]
    sent = [put(world, at=at) for at in moments]
    names = [name.removeprefix(MESSAGES) for (name,) in where(MESSAGES)]
    assert names == ["_p20210301", "_default", f"_p{now:%Y%m}01"]
    assert deliver_due() == 3
    assert receiver.serials() == [message.serial_no for message in sent]
    assert set(OutboundMessage.objects.values_list("state", flat=True)) == {DeliveryState.DELIVERED}
    assert not OutboundLane.objects.exists()


def test_rows_that_change_their_partition_open_no_lane_twice(world, receiver):
    message = put(world, at=SPRING)
    before = list(OutboundLane.objects.values())
    assert tend(now=SPRING, since=SPRING).rescued == 1
    assert where(MESSAGES) == [(f"{MESSAGES}_p20210301",)]
    assert list(OutboundLane.objects.values()) == before
    assert deliver_due() == 1
    assert receiver.serials() == [message.serial_no]


@pytest.mark.parametrize("state", [s for s in DeliveryState if s != DeliveryState.PENDING])
def test_a_month_whose_messages_have_ended_goes_with_its_attempts(world, state):
    put_in_spring(world, state=state)
    now = put(world, at=timezone.now(), lane=2)
    care = tend()
    assert [name for name in care.dropped if name.endswith("_p20210301")] == [
        f"{MESSAGES}_p20210301",
        f"{ATTEMPTS}_p20210301",
    ]
    assert list(OutboundMessage.objects.all()) == [now]
    assert not OutboundAttempt.objects.exists()


def test_a_month_with_a_message_that_is_owed_is_kept_told_and_goes_once_it_has_ended(world, receiver):
    owed = put_in_spring(world, state=DeliveryState.PENDING)
    put_in_spring(world, lane=2)
    care = tend()
    assert [name for name in care.kept if "_p20210301" in name] == [f"{MESSAGES}_p20210301", f"{ATTEMPTS}_p20210301"]
    assert OutboundMessage.objects.count() == OutboundAttempt.objects.count() == 2
    text = f"{MESSAGES}_p20210301 is kept beyond its time: rows in it that have not ended: 1."
    assert problems() == [("unfinished", text)]
    assert deliver_due() == 1
    assert receiver.serials() == [owed.serial_no]
    assert f"{MESSAGES}_p20210301" in tend().dropped
    assert (OutboundMessage.objects.count(), OutboundAttempt.objects.count()) == (0, 0)
    assert problems() == []


def test_a_lane_that_has_gone_on_holds_back_no_month(world):
    """Its `since` may be older than all that it still owes."""
    put_in_spring(world)
    put(world, at=timezone.now())
    OutboundLane.objects.update(since=SPRING)
    assert f"{MESSAGES}_p20210301" in tend().dropped
    assert OutboundMessage.objects.count() == 1


def test_a_message_sent_again_while_its_month_is_about_to_go_is_kept(world, monkeypatch):
    dead = put_in_spring(world, state=DeliveryState.DEAD)
    read = care_module.has_rows_not_final

    def send_again_meanwhile(table, span):
        found = read(table, span)
        undelivered.send_again(OutboundMessage.objects.filter(pk=dead.pk), now=AUTUMN)
        return found

    monkeypatch.setattr(care_module, "has_rows_not_final", send_again_meanwhile)
    care = tend()
    assert f"{MESSAGES}_p20210301" in care.kept
    assert list(OutboundMessage.objects.values_list("pk", "state")) == [(dead.pk, DeliveryState.PENDING)]


def test_a_pending_message_without_a_lane_is_kept_and_told(world, caplog):
    put_in_spring(world, state=DeliveryState.PENDING)
    OutboundLane.objects.all().delete()
    care = tend()
    assert f"{MESSAGES}_p20210301" in care.kept
    assert f"{MESSAGES}_p20210301 has rows that are not final" in caplog.text
    assert OutboundMessage.objects.count() == 1


def test_of_the_default_partition_only_what_has_ended_goes(world):
    stray = datetime(2015, 1, 1, tzinfo=UTC)
    owed, done = put(world, at=stray), put(world, at=stray, lane=2)
    OutboundMessage.objects.filter(pk=done.pk).update(state=DeliveryState.DELIVERED)
    tend()
    assert list(OutboundMessage.objects.values_list("pk", flat=True)) == [owed.pk]


def test_a_claim_says_since_when_its_lanes_wait(world):
    put(world, at=SPRING)
    [share] = [lanes.Share(world.cis_peer.pk, 1)]
    [claimed] = lanes.claim([share], now=AUTUMN, lease=AUTUMN + timedelta(minutes=1))
    assert [json.loads(mail.body)["serialNo"] for mail in claimed.mail] == [OutboundMessage.objects.get().serial_no]
    assert connection.in_atomic_block is False
