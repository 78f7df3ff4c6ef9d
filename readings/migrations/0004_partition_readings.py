"""Readings by month of the moment they were read at; what makes a reading known is the database's primary key."""

from django.db import migrations

from protocol.partitions.operation import PartitionTable


class Migration(migrations.Migration):
    dependencies = [("readings", "0003_reading_indexes")]
    operations = [PartitionTable("Reading", column="read_at", interval="month", primary_key="reading_known_once")]
