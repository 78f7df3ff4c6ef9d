"""The index of a search holds single characters too, and the planner knows how names and addresses read.

`meters_pairs` stays: it says which pieces a word must be found by.
"""

from django.db import migrations

MAKE = """
    CREATE FUNCTION meters_pieces(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT c || (SELECT array_agg(a || b) FROM unnest(c, c[2:]) u(a, b) WHERE b IS NOT NULL)
          FROM (SELECT string_to_array(lower($1), NULL)) s(c)
    $$;
    DROP INDEX meter_pairs;
    CREATE INDEX meter_pieces ON meters_meter USING gin (meters_pieces(user_name || ' ' || address));
    CREATE STATISTICS meter_text ON (user_name || ' ' || address) FROM meters_meter;
"""
DROP = """
    DROP STATISTICS meter_text;
    DROP INDEX meter_pieces;
    DROP FUNCTION meters_pieces(text);
    CREATE INDEX meter_pairs ON meters_meter USING gin (meters_pairs(user_name || ' ' || address));
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0004_meter_search")]
    operations = [migrations.RunSQL(MAKE, DROP)]
