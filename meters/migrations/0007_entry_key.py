"""The history of an account by its meter: one index is key and way in, where there were two of them."""

import django.contrib.postgres.indexes
from django.db import migrations, models

BY_METER = """
    ALTER TABLE meters_accountentry DROP CONSTRAINT meters_accountentry_pkey;
    DROP INDEX entry_of_meter;
    ALTER TABLE meters_accountentry ADD CONSTRAINT entry_of_meter PRIMARY KEY (meter_id, id);
"""
BY_ID = """
    ALTER TABLE meters_accountentry DROP CONSTRAINT entry_of_meter;
    ALTER TABLE meters_accountentry ADD CONSTRAINT meters_accountentry_pkey PRIMARY KEY (id);
    CREATE INDEX entry_of_meter ON meters_accountentry (meter_id, id);
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0006_rare_entries")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(BY_METER, BY_ID)],
            state_operations=[
                migrations.RemoveIndex(model_name="accountentry", name="entry_of_meter"),
                migrations.AddConstraint(
                    model_name="accountentry",
                    constraint=models.UniqueConstraint(fields=("meter", "id"), name="entry_of_meter"),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="accountentry",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["id"], name="entry_id", pages_per_range=32
            ),
        ),
    ]
