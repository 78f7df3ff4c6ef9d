"""Daily usage by month of its day; what makes a row the only one is the database's primary key."""

from django.db import migrations

from protocol.partitions.operation import PartitionTable


class Migration(migrations.Migration):
    dependencies = [("readings", "0006_usage_id")]
    operations = [PartitionTable("DailyUsage", column="day", interval="month", primary_key="daily_usage_once")]
