"""What models cannot say: account entries are only ever added, and accounts leave room for their daily update."""

from django.db import migrations

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


# Every account is updated every day: with half of each page free the new row stays beside the old one (HOT).
ROOM = "ALTER TABLE meters_account SET (fillfactor = 50)"
FULL = "ALTER TABLE meters_account RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("meters", "0001_initial")]
    operations = [migrations.RunSQL(FORBID, ALLOW), migrations.RunSQL(ROOM, FULL)]
