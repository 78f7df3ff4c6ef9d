"""The function that opens a lane for each message; room on the pages of the lanes for updates in place."""

from django.db import migrations

OPEN_LANES = """
CREATE FUNCTION protocol_open_lanes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO protocol_outboundlane AS l (peer_id, lane, due_at, since, first_id, arrivals, claimed_through)
    SELECT peer_id, lane, min(created_at), min(created_at), min(id), 1, 0 FROM added
    WHERE state = 'pending'
    GROUP BY peer_id, lane
    ORDER BY peer_id, lane
    ON CONFLICT (peer_id, lane) DO UPDATE
    SET arrivals = l.arrivals + 1, first_id = least(l.first_id, excluded.first_id),
        since = least(l.since, excluded.since);
    RETURN NULL;
END $$;
"""
CLOSE_LANES = "DROP FUNCTION protocol_open_lanes();"
# Lanes come and go: few rows, all of them hot.
STORAGE = """
ALTER TABLE protocol_outboundlane SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
"""
UNSET_STORAGE = """
ALTER TABLE protocol_outboundlane RESET (fillfactor, autovacuum_vacuum_scale_factor,
    autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
"""


class Migration(migrations.Migration):
    dependencies = [("protocol", "0002_directory_version")]
    operations = [
        migrations.RunSQL(OPEN_LANES, CLOSE_LANES),
        migrations.RunSQL(STORAGE, UNSET_STORAGE),
    ]
