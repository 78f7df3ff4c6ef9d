"""The trigger that opens a lane for each message, however it is written; room on the pages for updates in place."""

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
CREATE TRIGGER protocol_open_lanes AFTER INSERT ON protocol_outboundmessage
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION protocol_open_lanes();
"""
CLOSE_LANES = """
DROP TRIGGER protocol_open_lanes ON protocol_outboundmessage;
DROP FUNCTION protocol_open_lanes();
"""
FILL = """
INSERT INTO protocol_outboundlane (peer_id, lane, due_at, since, first_id, arrivals, claimed_through)
SELECT peer_id, lane, min(created_at), min(created_at), min(id), 1, coalesce(max(id) FILTER (WHERE tries > 0), 0)
FROM protocol_outboundmessage WHERE state = 'pending' GROUP BY peer_id, lane ORDER BY peer_id, lane;
UPDATE protocol_outboundmessage SET stuck_at = coalesce(finished_at, created_at) WHERE state IN ('rejected', 'dead');
"""
# Lanes come and go: few rows, all of them hot.
STORAGE = """
ALTER TABLE protocol_outboundlane SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE protocol_outboundmessage SET (fillfactor = 80);
"""
UNSET_STORAGE = """
ALTER TABLE protocol_outboundlane RESET (fillfactor, autovacuum_vacuum_scale_factor,
    autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
ALTER TABLE protocol_outboundmessage RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("protocol", "0003_outbound_queue")]

    operations = [
        migrations.RunSQL(OPEN_LANES, CLOSE_LANES),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(STORAGE, UNSET_STORAGE),
    ]
