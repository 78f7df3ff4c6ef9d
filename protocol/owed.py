"""Which partitions of the outbox hold messages that are still owed: they outlive OUTBOUND_RETENTION_DAYS."""

from django.db import connection

from protocol.partitions.declared import Span

# By the lanes: each pending message has one, which says of what age and id none is older.
_OWED = """
    SELECT count(*) FROM (
        SELECT 1 FROM protocol_outboundlane l
        JOIN "{partition}" o ON o.lane = l.lane AND o.peer_id = l.peer_id AND o.id >= l.first_id
        WHERE l.since < %(ends)s AND o.state = 'pending'
        LIMIT %(limit)s) owed
"""


def owed_in(*, partition: str, span: Span, limit: int) -> int:
    """How many messages of a partition of the outbox are pending, counted up to `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(_OWED.format(partition=partition), {"ends": span.ends, "limit": limit})
        return int(cursor.fetchone()[0])
