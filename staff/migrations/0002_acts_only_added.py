"""What the staff did is only ever added: the database itself refuses the rest."""

from django.db import migrations

FORBID = """
    CREATE FUNCTION staff_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER staffact_append_only BEFORE UPDATE OR DELETE ON staff_staffact
        FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse_change();
"""
ALLOW = """
    DROP TRIGGER staffact_append_only ON staff_staffact;
    DROP FUNCTION staff_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("staff", "0001_initial")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
