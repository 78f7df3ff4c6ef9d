"""A part of a name or an address is found through an index: all pairs of neighbouring characters, in a GIN index.

Chinese has no words to split at, and pg_trgm is not everywhere.
"""

from django.db import migrations

MAKE = """
    CREATE FUNCTION meters_pairs(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(DISTINCT substr(lower($1), i, 2)), '{}')
          FROM generate_series(1, greatest(length($1) - 1, 1)) i
    $$;
    CREATE INDEX meter_pairs ON meters_meter USING gin (meters_pairs(user_name || ' ' || address));
    CREATE INDEX meter_phone ON meters_meter (phone) WHERE phone <> '';
    CREATE INDEX meter_user_no_begins ON meters_meter (user_no text_pattern_ops);
    CREATE INDEX meter_meter_no_begins ON meters_meter (meter_no text_pattern_ops);
"""
DROP = """
    DROP INDEX meter_meter_no_begins;
    DROP INDEX meter_user_no_begins;
    DROP INDEX meter_phone;
    DROP INDEX meter_pairs;
    DROP FUNCTION meters_pairs(text);
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0003_state_storage")]
    operations = [migrations.RunSQL(MAKE, DROP)]
