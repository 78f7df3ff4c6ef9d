"""Settlement takes the numbers of daily usage a hundred at a time: its sessions do not queue for each one."""

from django.db import migrations

MANY = "ALTER TABLE readings_dailyusage ALTER COLUMN id SET CACHE 100"
ONE = "ALTER TABLE readings_dailyusage ALTER COLUMN id SET CACHE 1"


class Migration(migrations.Migration):
    dependencies = [("readings", "0008_lists_of_flags")]
    operations = [migrations.RunSQL(MANY, ONE)]
