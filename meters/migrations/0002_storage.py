"""What models cannot say: the key of account entries, that they are only ever added, and room for daily updates."""

from django.db import migrations

# One index is key and way in, where a key of its own would be a second one.
BY_METER = """
    ALTER TABLE meters_accountentry DROP CONSTRAINT meters_accountentry_pkey;
    ALTER TABLE meters_accountentry DROP CONSTRAINT entry_of_meter;
    ALTER TABLE meters_accountentry ADD CONSTRAINT entry_of_meter PRIMARY KEY (meter_id, id);
"""
BY_ID = """
    ALTER TABLE meters_accountentry DROP CONSTRAINT entry_of_meter;
    ALTER TABLE meters_accountentry ADD CONSTRAINT meters_accountentry_pkey PRIMARY KEY (id);
    ALTER TABLE meters_accountentry ADD CONSTRAINT entry_of_meter UNIQUE (meter_id, id);
"""
FORBID = """
    CREATE FUNCTION meters_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER accountentry_append_only BEFORE UPDATE OR DELETE ON meters_accountentry
        FOR EACH STATEMENT EXECUTE FUNCTION meters_refuse_change();
"""
ALLOW = """
    DROP TRIGGER accountentry_append_only ON meters_accountentry;
    DROP FUNCTION meters_refuse_change();
"""
# Every account is updated every day, every state with each report: with room on each page the new row stays beside the
# old one (HOT).
ROOM = """
    ALTER TABLE meters_account SET (fillfactor = 50);
    ALTER TABLE meters_meterstate SET (fillfactor = 60);
"""
FULL = """
    ALTER TABLE meters_account RESET (fillfactor);
    ALTER TABLE meters_meterstate RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0001_initial")]
    operations = [
        migrations.RunSQL(BY_METER, BY_ID),
        migrations.RunSQL(FORBID, ALLOW),
        migrations.RunSQL(ROOM, FULL),
    ]
