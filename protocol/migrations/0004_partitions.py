"""Messages by month: inbound ones of their receipt, outbound ones of their making, attempts of that of their message."""

from django.db import migrations

from protocol.partitions.operation import PartitionTable

# It belongs to the table as a whole: moving rows between partitions opens no lanes.
TRIGGER = """
CREATE TRIGGER protocol_open_lanes AFTER INSERT ON protocol_outboundmessage
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION protocol_open_lanes();
"""
WITHOUT = "DROP TRIGGER protocol_open_lanes ON protocol_outboundmessage;"


class Migration(migrations.Migration):
    dependencies = [("protocol", "0003_outbound_lanes")]
    operations = [
        PartitionTable("InboundMessage", column="received_at", interval="month", primary_key=["received_at", "id"]),
        PartitionTable(
            "OutboundMessage",
            column="created_at",
            interval="month",
            primary_key=["id", "created_at"],
            storage="fillfactor = 50",
        ),
        migrations.RunSQL(TRIGGER, WITHOUT),
        PartitionTable(
            "OutboundAttempt",
            column="message_created_at",
            interval="month",
            primary_key=["id", "message_created_at"],
        ),
    ]
