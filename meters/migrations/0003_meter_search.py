"""A part of a name or an address is found through an index: its characters and all pairs of neighbouring ones (GIN).

Chinese has no words to split at, and pg_trgm is not everywhere. `meters_pieces` says what is in the index,
`meters_pairs` which pieces a word must be found by. The statistics tell the planner how names and addresses read.
"""

from django.db import migrations

MAKE = """
    CREATE FUNCTION meters_pairs(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(DISTINCT substr(lower($1), i, 2)), '{}')
          FROM generate_series(1, greatest(length($1) - 1, 1)) i
    $$;
    CREATE FUNCTION meters_pieces(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT c || (SELECT array_agg(a || b) FROM unnest(c, c[2:]) u(a, b) WHERE b IS NOT NULL)
          FROM (SELECT string_to_array(lower($1), NULL)) s(c)
    $$;
    CREATE INDEX meter_pieces ON meters_meter USING gin (meters_pieces(user_name || ' ' || address));
    CREATE STATISTICS meter_text ON (user_name || ' ' || address) FROM meters_meter;
    CREATE INDEX meter_phone ON meters_meter (phone) WHERE phone <> '';
    CREATE INDEX meter_user_no_begins ON meters_meter (user_no text_pattern_ops);
    CREATE INDEX meter_meter_no_begins ON meters_meter (meter_no text_pattern_ops);
"""
DROP = """
    DROP INDEX meter_meter_no_begins;
    DROP INDEX meter_user_no_begins;
    DROP INDEX meter_phone;
    DROP STATISTICS meter_text;
    DROP INDEX meter_pieces;
    DROP FUNCTION meters_pieces(text);
    DROP FUNCTION meters_pairs(text);
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0002_storage")]
    operations = [migrations.RunSQL(MAKE, DROP)]
