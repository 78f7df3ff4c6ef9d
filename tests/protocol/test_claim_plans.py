"""What a claim reads of a backlog: the due lanes by their index, of each its next messages; nothing behind them."""

import json
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from protocol import recording
from protocol.lanes import Share, claim
from protocol.sending import Outcome
from tests.protocol.partitioned import sql

pytestmark = pytest.mark.django_db

LANES, DEPTH = 2_000, 20
FILL = """
    INSERT INTO protocol_outboundmessage (peer_id, company_id, code, serial_no, lane, body, created_at)
    SELECT %s, %s, '2001', %s || n, n %% %s, repeat('x', 100), %s::timestamptz + n * interval '1 ms'
    FROM generate_series(1, %s) n
"""


@pytest.fixture
def now():
    """Noon, so that what has just piled up lies in one month."""
    return timezone.now().replace(hour=12)


@pytest.fixture
def backlog(world, now):
    """40,000 messages in 2,000 lanes, as if all had piled up within a minute, and as many of another peer."""
    begun = now - timedelta(minutes=2)
    for peer in (world.cis_peer, world.headend_peer):
        sql(FILL, peer.pk, world.company.pk, f"{peer.pk}-", LANES, begun, LANES * DEPTH)
    sql("ANALYZE protocol_outboundmessage")
    sql("ANALYZE protocol_outboundlane")
    return world


def plans(work, *marks):
    """The executed plans, as JSON, of the statements that have one of `marks` in them."""
    found = {}

    def explain(execute, statement, parameters, many, context):
        for mark in marks:
            if mark in statement:
                with connection.connection.cursor() as cursor, transaction.atomic():
                    cursor.execute("EXPLAIN (FORMAT json, ANALYZE) " + statement, parameters)
                    found[mark] = cursor.fetchone()[0][0]["Plan"]
                    transaction.set_rollback(True)
        return execute(statement, parameters, many, context)

    with connection.execute_wrapper(explain):
        result = work()
    return result, found


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def scanned(plan, table):
    """Of every scan of `table` or a partition of it: its index and how many rows it gave, all loops together."""
    return {
        (node["Relation Name"], node.get("Index Name"), node["Actual Rows"] * node["Actual Loops"])
        for node in nodes(plan)
        if node.get("Relation Name", "").startswith(table)
    }


def test_a_claim_reads_no_more_of_a_backlog_than_it_takes(backlog, now):
    def take():
        return claim([Share(backlog.cis_peer.pk, 64, depth=16)], now=now, lease=now + timedelta(minutes=1))

    claimed, found = plans(take, "ORDER BY l.due_at ASC", "LIMIT mine.depth")
    assert len(claimed) == 64
    assert {len(lane.mail) for lane in claimed} == {16}
    locked = scanned(found["ORDER BY l.due_at ASC"], "protocol_outboundlane")
    assert {(index, rows) for _, index, rows in locked} == {("outbound_lane_due", 48)}
    month = f"protocol_outboundmessage_p{now:%Y%m}01"
    read = {scan for scan in scanned(found["LIMIT mine.depth"], "protocol_outboundmessage") if scan[2]}
    assert read == {(month, f"{month}_lane_id_idx", 64 * 17)}
    older = [name for name, *_ in scanned(found["LIMIT mine.depth"], "protocol_outboundmessage") if name < month]
    assert older == ["protocol_outboundmessage_default"]


def test_an_outcome_finds_its_message_by_the_key_of_one_partition(backlog, now):
    claimed = claim([Share(backlog.cis_peer.pk, 64)], now=now, lease=now + timedelta(minutes=1))
    told = {"started_at": now, "duration_ms": 1, "http_status": 200, "text": json.dumps({"echoCode": "0000"})}
    results = [
        recording.result_of(Outcome(claimed=lane, mail=mail, error="", **told))
        for lane in claimed
        for mail in lane.mail
    ]
    _, found = plans(lambda: recording.record(results, now=now), "UPDATE protocol_outboundmessage m")
    month = f"protocol_outboundmessage_p{now:%Y%m}01"
    assert scanned(found["UPDATE protocol_outboundmessage m"], "protocol_outboundmessage") >= {
        (month, f"{month}_pkey", len(results))
    }
