"""Inbound messages by month of their receipt."""

from django.db import migrations

from protocol.partitions.operation import PartitionTable


class Migration(migrations.Migration):
    dependencies = [("protocol", "0008_inbound_serials")]
    operations = [
        PartitionTable("InboundMessage", column="received_at", interval="month", primary_key=["received_at", "id"])
    ]
