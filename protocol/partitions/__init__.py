"""Large tables partitioned by time (PostgreSQL's declarative RANGE partitioning), with Django's own models on top.

To put a table on it:

1. Declare it in settings.PARTITIONED_TABLES: model label, column (a DateTimeField or DateField that is never null and
   never altered), interval ("day" or "month"), `keep_days` from the environment (0 keeps for ever). Optional:
   `behind_days` (how far back partitions are made, 0), `storage` (of each partition, "fillfactor = 70": a
   partitioned parent cannot have any), and what outlives its time: `final`, `unfinished`, `follows` (declared.py).
2. Every unique constraint must hold the column, and no foreign key may refer to the table in the database: alter these
   first (`db_constraint=False`). `id` stays Django's primary key, but the database's is what the operation below says;
   whoever looks a row up by `id` wants `models.Index(fields=["id"])` and had better add a range of the column, since
   otherwise every partition is probed.
3. In a migration of its own, for an empty or a populated table, reversible (it rewrites the table under a lock):

       from protocol.partitions.operation import PartitionTable

       # Columns, or the name of a unique constraint that becomes the primary key.
       operations = [PartitionTable("Reading", column="read_at", interval="month",
                                    primary_key="reading_known_once")]

Partitions begin and end at midnights UTC (of a DateField: with its days), whatever TIME_ZONE says: their bounds outlive
a change of it and know no summer time. They are made ahead by `migrate` and by beat. A row that fits none is
caught by the default partition, reported by `partition_problems()`, and moved to a partition of its own in the next
round.
"""
