"""Every report updates its meter's state: with room on each page the new row stays beside the old one (HOT)."""

from django.db import migrations

ROOM = "ALTER TABLE meters_meterstate SET (fillfactor = 60)"
FULL = "ALTER TABLE meters_meterstate RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("meters", "0002_storage")]
    operations = [migrations.RunSQL(ROOM, FULL)]
