"""Account entries are only ever added: the database itself refuses to change or delete one."""

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


class Migration(migrations.Migration):
    dependencies = [("meters", "0002_life_and_accounts")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
