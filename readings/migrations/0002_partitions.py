"""Readings and daily usage by month; what makes a row the only one of its kind is the database's primary key."""

from django.db import migrations

from protocol.partitions.operation import PartitionTable

# Settlement takes the numbers of daily usage a hundred at a time: its sessions do not queue for each one.
MANY = "ALTER TABLE readings_dailyusage ALTER COLUMN id SET CACHE 100"
ONE = "ALTER TABLE readings_dailyusage ALTER COLUMN id SET CACHE 1"


class Migration(migrations.Migration):
    dependencies = [("readings", "0001_initial")]
    operations = [
        PartitionTable("Reading", column="read_at", interval="month", primary_key="reading_known_once"),
        PartitionTable("DailyUsage", column="day", interval="month", primary_key="daily_usage_once"),
        migrations.RunSQL(MANY, ONE),
    ]
