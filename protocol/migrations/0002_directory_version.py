"""The version of who is who: a number that no change of peers, companies or manufacturers leaves as it was."""

from django.db import migrations

TABLES = (
    "protocol_peer",
    "protocol_company",
    "protocol_manufacturer",
    "protocol_peer_companies",
    "protocol_peer_manufacturers",
)
# The number comes from a sequence, which no rollback takes back: one number never stands for two states.
COUNT = """
    CREATE SEQUENCE protocol_directory_versions;
    CREATE TABLE protocol_directoryversion (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        version bigint NOT NULL DEFAULT nextval('protocol_directory_versions'));
    INSERT INTO protocol_directoryversion DEFAULT VALUES;
    CREATE FUNCTION protocol_directory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE protocol_directoryversion SET version = nextval('protocol_directory_versions');
        RETURN NULL;
    END $$;
""" + "".join(
    f"""
    CREATE TRIGGER directory_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION protocol_directory_changed();
"""
    for table in TABLES
)
FORGET = (
    "".join(f"DROP TRIGGER directory_changed ON {table};" for table in TABLES)
    + """
    DROP FUNCTION protocol_directory_changed();
    DROP TABLE protocol_directoryversion;
    DROP SEQUENCE protocol_directory_versions;
"""
)


class Migration(migrations.Migration):
    dependencies = [("protocol", "0001_initial")]
    operations = [migrations.RunSQL(COUNT, FORGET)]
