"""The statements of the daily settlement, in the order in which they run.

Between them stand temporary tables of one chunk; the first is analysed, since the planner would guess `again` wrong.
Large tables are asked for the chunk's range of meters too: their scans begin and end there, whatever join is chosen.
Parameters: `first` and `last` meter id, `heirs` (meters that replaced another are settled after those that did not:
their running cycle goes on from these), `through` day, `zone` of the platform; and what the chunk itself says (FACTS).
"""

from pricing.cycles import CYCLE_BLOCK_SQL

# Accounts are counted by small blocks of ids first: cheaper than to number each one.
CHUNKS = """
    SELECT min(first), max(last) FROM (
        SELECT first, last, div(sum(due) OVER (ORDER BY first) - 1, %(size)s) AS chunk FROM (
            SELECT min(meter_id) AS first, max(meter_id) AS last, count(*) AS due
            FROM meters_account
            WHERE unsettled_from <= least(%(through)s, closes_on) AND is_heir = %(heirs)s
            GROUP BY meter_id / %(block)s) blocks) chunks
    GROUP BY chunk ORDER BY chunk
"""

# The accounts that had a price from a day on, locked in the order in which chunks lock theirs: a settlement under way
# finishes first, and its result is moved back too.
LOCK_FOR_PRICE = """
    SELECT count(*) FROM (
        SELECT 1 FROM meters_account
        WHERE meter_id IN (SELECT meter_id FROM meters_meterprice
            WHERE price_id = %(price)s AND (ends IS NULL OR ends > %(begins)s))
        ORDER BY is_heir, meter_id FOR UPDATE) locked
"""

MOVE_BACK_FOR_PRICE = """
    UPDATE meters_account a
    SET unsettled_from = greatest(%(begins)s, mp.starts)
    FROM (SELECT meter_id, min(starts) AS starts FROM meters_meterprice
          WHERE price_id = %(price)s AND (ends IS NULL OR ends > %(begins)s) GROUP BY meter_id) mp
    WHERE mp.meter_id = a.meter_id AND a.unsettled_from > greatest(%(begins)s, mp.starts)
"""

# Compiling a plan (jit) costs more than these short chunks gain by it; their sorts and hashes fit in work_mem. A small
# sample says enough of `due`.
TUNE = """
    SELECT set_config('jit', 'off', true), set_config('work_mem', '64MB', true),
        set_config('default_statistics_target', '10', true)
"""

# Of meters that replaced another: the due ones, and those to which their balances will go, locked in one order. The
# other meters come before all of these in any case, and their heirs are locked by LOCK_HEIRS.
LOCK_CHAINS = """
    SELECT count(*) FROM (
        SELECT 1 FROM meters_account
        WHERE meter_id IN (
            SELECT h.id FROM meters_account o
            JOIN meters_meter m ON m.id = o.meter_id
            JOIN meters_meter h ON h.id = m.id
                OR (o.kept_here AND o.closes_on IS NOT NULL AND h.origin_id = m.origin_id AND h.id > m.id)
            WHERE o.meter_id BETWEEN %(first)s AND %(last)s AND o.is_heir
                AND o.unsettled_from <= least(%(through)s, o.closes_on))
        ORDER BY meter_id FOR UPDATE) locked
"""

# The accounts that are due, locked. `again`: some of these days have been settled before. What a meter that replaced
# others costs depends on theirs: as long as one of them is due, it waits. Those of its own chunk are settled with it.
DUE = """
    CREATE TEMPORARY TABLE due ON COMMIT DROP AS
    SELECT meter_id, unsettled_from AS begins, least(greatest(settled_through, %(through)s), closes_on) AS through_day,
        unsettled_from <= settled_through AS again, settled_through, settled_index AS opening,
        cycle_start, cycle_volume, kept_here, closes_on, 0::numeric AS undone_volume, 0::numeric AS undone_amount
    FROM meters_account a
    WHERE meter_id BETWEEN %(first)s AND %(last)s AND is_heir = %(heirs)s
        AND unsettled_from <= least(%(through)s, closes_on)
        AND (NOT %(heirs)s OR NOT EXISTS (
            SELECT 1 FROM meters_meter m
            JOIN meters_meter p ON (p.id = m.origin_id OR p.origin_id = m.origin_id) AND p.id < m.id
            JOIN meters_account e ON e.meter_id = p.id
            WHERE m.id = a.meter_id AND e.unsettled_from <= least(%(through)s, e.closes_on)
                AND NOT (e.is_heir AND p.id >= %(first)s)))
    ORDER BY meter_id FOR UPDATE
"""

# Between which days and moments the readings of the chunk lie, and from which day on rows are settled again: as
# constants, so that the planner leaves out all other partitions. A reading belongs to its local date; the moments only
# narrow the search, wide enough for clocks that change at midnight.
MOMENTS = """
    SELECT meters, first_day, last_day, again_from, ended,
        coalesce(first_day::timestamp AT TIME ZONE %(zone)s, now()) - interval '3 hours' AS from_moment,
        coalesce((last_day + 1)::timestamp AT TIME ZONE %(zone)s, now()) + interval '3 hours' AS to_moment
    FROM (
        SELECT count(*) AS meters, min(begins) AS first_day, max(through_day) AS last_day,
            min(begins) FILTER (WHERE again) AS again_from, bool_or(kept_here AND closes_on IS NOT NULL) AS ended
        FROM due) chunk
"""

# Only from here on does a statement see every reading that was stored before the locks were taken.
# The reading before the first day is nearly always a recent one: only without one are all partitions asked.
REOPEN = """
    UPDATE due d SET opening = coalesce(
        (SELECT r.index FROM readings_reading r
         WHERE r.meter_id = d.meter_id AND r.quality = 'valid' AND r.read_at < o.midnight + interval '3 hours'
            AND r.read_at >= o.midnight - interval '35 days' AND (r.read_at AT TIME ZONE %(zone)s)::date < d.begins
         ORDER BY r.read_at DESC LIMIT 1),
        (SELECT r.index FROM readings_reading r
         WHERE r.meter_id = d.meter_id AND r.quality = 'valid' AND r.read_at < o.midnight - interval '35 days'
         ORDER BY r.read_at DESC LIMIT 1),
        (SELECT m.initial_index FROM meters_meter m WHERE m.id = d.meter_id))
    FROM (SELECT meter_id, begins::timestamp AT TIME ZONE %(zone)s AS midnight FROM due WHERE again) o
    WHERE o.meter_id = d.meter_id
"""

UNDO = """
    WITH gone AS (
        DELETE FROM readings_dailyusage u USING due d
        WHERE d.again AND u.meter_id = d.meter_id AND u.day >= d.begins AND u.day >= %(again_from)s
        RETURNING u.meter_id, u.volume, u.amount)
    UPDATE due d SET undone_volume = g.volume, undone_amount = g.amount
    FROM (SELECT meter_id, sum(volume) AS volume, sum(amount) AS amount FROM gone GROUP BY meter_id) g
    WHERE g.meter_id = d.meter_id
"""

# Where most meters of a range of ids are due, a guess that is too low must not make the planner look up each of them.
DENSE = """
    SELECT set_config('enable_nestloop',
        CASE WHEN %(meters)s > 1000 AND %(meters)s > (%(last)s - %(first)s) / 10 THEN 'off' ELSE 'on' END, true)
"""
ANY = "SELECT set_config('enable_nestloop', 'on', true)"

# One row per day with a valid reading. Valid indexes never fall, so the last one of a day is the largest. Its price is
# the version in effect of the price that the meter had; the version also says when the day's cycle began. `carried` is
# what that cycle had used before the first day that is due: kept on the account for the cycle that simply goes on.
# Meters settled again, and those whose price gets a new version, have a silent row for their last day: their cycle is
# known even when no usage is left. `since` is what the due days before this one used, `latest` marks the last row.
# Two things are only for speed: a reading is compared with a moment two days before any zone's midnight before its date
# is told, and the block of months is worked out once per version, as long as no day lies beyond it.
DAYS = """
    CREATE TEMPORARY TABLE days ON COMMIT DROP AS
    WITH spans AS (
        SELECT id, price_id, cycle_months, coalesce(effective_from, '-infinity') AS starts,
            coalesce(lead(effective_from) OVER versions, 'infinity') AS ends,
            max(effective_from) FILTER (WHERE restarts_cycle) OVER versions AS restarted_on,
            <block of first day> AS block, (<block of first day> + make_interval(months => cycle_months))::date AS next
        FROM pricing_priceversion
        WINDOW versions AS (PARTITION BY price_id ORDER BY effective_from NULLS FIRST)),
    dated AS (
        SELECT d.meter_id, d.begins, d.through_day, d.again, d.settled_through, d.opening, d.cycle_start AS running,
            d.cycle_volume, r.index, (r.read_at AT TIME ZONE %(zone)s)::date AS day
        FROM due d JOIN readings_reading r
            ON r.meter_id = d.meter_id AND r.read_at >= d.begins - 2
        WHERE r.quality = 'valid' AND r.meter_id BETWEEN %(first)s AND %(last)s
            AND r.read_at >= %(from_moment)s AND r.read_at < %(to_moment)s
        UNION ALL
        SELECT d.meter_id, d.begins, d.through_day, d.again, d.settled_through, d.opening, d.cycle_start,
            d.cycle_volume, NULL, d.through_day
        FROM due d
        WHERE (%(again_from)s::date IS NOT NULL OR <version begins>) AND (d.again OR EXISTS (
            SELECT 1 FROM meters_meterprice mp JOIN pricing_priceversion v ON v.price_id = mp.price_id
            WHERE mp.meter_id = d.meter_id AND v.effective_from BETWEEN d.begins AND d.through_day))),
    ends AS (
        SELECT DISTINCT ON (meter_id, day) * FROM (SELECT * FROM dated OFFSET 0) d
        WHERE day BETWEEN begins AND through_day
        ORDER BY meter_id, day, index DESC NULLS LAST)
    SELECT meter_id, day, index IS NULL AS silent, version_id, cycle_start, day > settled_through AS fresh, latest,
        coalesce(index, previous, opening) AS index, coalesce(index - coalesce(previous, opening), 0) AS volume,
        coalesce(previous - opening, 0) AS since,
        CASE WHEN NOT again AND cycle_start = running AND cycle_start <= begins THEN cycle_volume END AS carried
    FROM (
        SELECT e.*, s.id AS version_id,
            greatest(CASE WHEN e.day < s.next THEN s.block ELSE <block of day> END, s.restarted_on) AS cycle_start,
            lag(e.index) OVER meter AS previous, lead(e.day) OVER meter IS NULL AS latest
        FROM ends e
        JOIN meters_meterprice mp
            ON mp.meter_id = e.meter_id AND mp.starts <= e.day AND (mp.ends IS NULL OR e.day < mp.ends)
                AND mp.meter_id BETWEEN %(first)s AND %(last)s
        JOIN spans s ON s.price_id = mp.price_id AND s.starts <= e.day AND e.day < s.ends
        WINDOW meter AS (PARTITION BY e.meter_id ORDER BY e.day)) priced
"""
for name, meaning in {
    # Asked once for the chunk: hardly any day has a version that begins.
    "version begins": "EXISTS (SELECT 1 FROM pricing_priceversion"
    " WHERE effective_from BETWEEN %(first_day)s AND %(last_day)s)",
    "block of first day": CYCLE_BLOCK_SQL.format(day="%(first_day)s::date", months="cycle_months"),
    "block of day": CYCLE_BLOCK_SQL.format(day="e.day", months="s.cycle_months"),
}.items():
    DAYS = DAYS.replace(f"<{name}>", meaning)

CYCLES = """
    SELECT min(cycle_start) FILTER (WHERE carried IS NULL) AS cycles_from,
        count(*) FILTER (WHERE NOT silent) AS meter_days
    FROM days
"""

BY_METER = "CREATE INDEX ON days (meter_id)"

# For any other cycle the rows say it: the volume used before the first meter of the chain (a meter and those it
# replaced), the meter's own days before those that are due, and all days of the meters it replaced; those that are
# settled in this same chunk have theirs in `days`. Cycles of different lengths overlap where a version or a price
# begins, so `since` counts all days that are due: those before the cycle began are taken off here.
CARRIED = """
    UPDATE days y SET carried = c.volume
    FROM (
        SELECT n.meter_id, n.cycle_start,
            CASE WHEN (o.registered_at AT TIME ZONE %(zone)s)::date >= n.cycle_start
                THEN o.initial_cycle_volume ELSE 0 END
            + CASE WHEN n.cycle_start >= d.begins THEN 0 ELSE coalesce(
                (SELECT sum(u.volume) FROM readings_dailyusage u
                 WHERE u.meter_id = n.meter_id AND u.day >= n.cycle_start AND u.day < d.begins
                    AND u.day >= %(cycles_from)s), 0) END
            + CASE WHEN m.origin_id IS NULL THEN 0 ELSE coalesce(
                (SELECT sum(v.volume) FROM meters_meter p CROSS JOIN LATERAL (
                    SELECT u.volume FROM readings_dailyusage u
                    WHERE u.meter_id = p.id AND u.day >= n.cycle_start AND u.day >= %(cycles_from)s
                    UNION ALL
                    SELECT z.volume FROM days z WHERE z.meter_id = p.id AND z.day >= n.cycle_start) v
                 WHERE p.id < m.id AND (p.id = m.origin_id OR p.origin_id = m.origin_id)), 0) END
            - n.skipped AS volume
        FROM (
            SELECT u.meter_id, u.cycle_start, coalesce(sum(z.volume), 0) AS skipped
            FROM (SELECT DISTINCT meter_id, cycle_start FROM days WHERE carried IS NULL) u
            LEFT JOIN days z ON z.meter_id = u.meter_id AND z.day < u.cycle_start
            GROUP BY u.meter_id, u.cycle_start) n
        JOIN due d ON d.meter_id = n.meter_id
        JOIN meters_meter m ON m.id = n.meter_id
        JOIN meters_meter o ON o.id = coalesce(m.origin_id, m.id)) c
    WHERE y.carried IS NULL AND y.meter_id = c.meter_id AND y.cycle_start = c.cycle_start
"""

BOOKING = """
    CREATE TEMPORARY TABLE booking (meter_id bigint, through_day date, index numeric, has_days boolean,
        cycle_start date, cycle_volume numeric, volume numeric, kept_here boolean, undone numeric, again numeric,
        fresh numeric) ON COMMIT DROP
"""

# `parts` is the tier split: the overlap of (used before, used after] with each tier. A day of 0 goes to the tier it
# stands in. They are stored as usage, in key order, and summed up into what changes on each account: `again` is what
# the days cost that had been settled before, `fresh` the new ones.
USAGE = """
    WITH parts AS MATERIALIZED (
        SELECT meter_id, day, fresh, position AS tier, part AS volume, unit_price, round(part * unit_price, 4) AS amount
        FROM (
            SELECT u.meter_id, u.day, u.fresh, t.position, t.unit_price,
                least(u.after, t.upper) - greatest(u.before, t.lower) AS part
            FROM (SELECT *, carried + since AS before, carried + since + volume AS after
                  FROM days WHERE NOT silent OFFSET 0) u
            JOIN pricing_pricetier t ON t.version_id = u.version_id
                AND (u.after > t.lower OR u.volume = 0 AND t.position = 1)
                AND (t.upper IS NULL OR u.before < t.upper OR u.volume = 0 AND u.before = t.upper)) split
        ORDER BY meter_id, day, position),
    used AS (
        INSERT INTO readings_dailyusage (meter_id, day, tier, volume, unit_price, amount)
        SELECT meter_id, day, tier, volume, unit_price, amount FROM parts)
    INSERT INTO booking
    SELECT d.meter_id, d.through_day, coalesce(l.index, d.opening), l.meter_id IS NOT NULL,
        l.cycle_start, l.carried + l.since + l.volume, coalesce(n.volume, 0) - d.undone_volume,
        d.kept_here, d.undone_amount, coalesce(n.again, 0), coalesce(n.fresh, 0)
    FROM due d
    LEFT JOIN (
        SELECT meter_id, sum(volume) AS volume, sum(amount) FILTER (WHERE NOT fresh) AS again,
            sum(amount) FILTER (WHERE fresh) AS fresh
        FROM parts GROUP BY meter_id) n ON n.meter_id = d.meter_id
    LEFT JOIN days l ON l.meter_id = d.meter_id AND l.latest
"""

BOOK = """
    UPDATE meters_account a
    SET settled_through = o.through_day,
        unsettled_from = o.through_day + 1,
        settled_index = o.index,
        cycle_start = CASE WHEN o.has_days THEN o.cycle_start ELSE a.cycle_start END,
        cycle_volume = CASE WHEN o.has_days THEN o.cycle_volume ELSE a.cycle_volume END,
        settled_volume = a.settled_volume + o.volume,
        settled_amount = a.settled_amount - o.undone + o.again + o.fresh,
        in_arrears = a.closes_on IS NULL AND coalesce(
            a.overdraft_limit + a.credited - (a.settled_amount - o.undone + o.again + o.fresh) <= 0, false)
    FROM booking o
    WHERE a.meter_id = o.meter_id AND a.meter_id BETWEEN %(first)s AND %(last)s
"""

# The history of the accounts of billing model 3 says the same: what settling again changed, and what new days cost.
CORRECTIONS = """
    INSERT INTO meters_accountentry (meter_id, kind, amount, day, old_amount, new_amount, reference)
    SELECT meter_id, 'correction', undone - again, through_day, undone, again, ''
    FROM booking WHERE kept_here AND undone <> again
"""
ENTRIES = """
    INSERT INTO meters_accountentry (meter_id, kind, amount, day, reference)
    SELECT meter_id, 'settlement', -fresh, through_day, '' FROM booking WHERE kept_here AND fresh <> 0
"""

# Who is the last of a chain must not change while a balance is on its way to it.
LOCK_HEIRS = """
    SELECT count(*) FROM (
        SELECT 1 FROM meters_account
        WHERE meter_id IN (
            SELECT h.id FROM due o
            JOIN meters_meter m ON m.id = o.meter_id
            JOIN meters_meter h ON h.origin_id = coalesce(m.origin_id, m.id) AND h.id > m.id
            WHERE o.kept_here AND o.closes_on IS NOT NULL)
        ORDER BY meter_id FOR UPDATE) locked
"""

# A replaced meter keeps no balance: what settling it (again) leaves goes to the meter that now serves the customer.
CARRY = """
    WITH carried_on AS (
        SELECT d.meter_id, d.through_day, a.balance, heir.id AS heir_id
        FROM due d
        JOIN meters_account a ON a.meter_id = d.meter_id AND a.balance <> 0
        JOIN meters_meter m ON m.id = d.meter_id
        CROSS JOIN LATERAL (
            SELECT max(h.id) AS id FROM meters_meter h WHERE h.origin_id = coalesce(m.origin_id, m.id)) heir
        WHERE d.kept_here AND d.closes_on IS NOT NULL AND heir.id > d.meter_id),
    entries AS (
        INSERT INTO meters_accountentry (meter_id, kind, amount, day, reference)
        SELECT meter_id, 'carry_out', -balance, through_day, '' FROM carried_on
        UNION ALL SELECT heir_id, 'carry_in', balance, through_day, '' FROM carried_on),
    emptied AS (
        UPDATE meters_account a SET credited = a.credited - c.balance
        FROM carried_on c WHERE a.meter_id = c.meter_id)
    UPDATE meters_account a
    SET credited = a.credited + c.balance,
        in_arrears = a.closes_on IS NULL
            AND coalesce(a.overdraft_limit + a.credited + c.balance - a.settled_amount <= 0, false)
    FROM (SELECT heir_id, sum(balance) AS balance FROM carried_on GROUP BY heir_id) c
    WHERE a.meter_id = c.heir_id
"""

STEPS = (
    TUNE,
    LOCK_CHAINS,
    DUE,
    "ANALYZE due (meter_id, again)",
    MOMENTS,
    REOPEN,
    UNDO,
    DENSE,
    DAYS,
    CYCLES,
    BY_METER,
    CARRIED,
    BOOKING,
    USAGE,
    BOOK,
    ANY,
    CORRECTIONS,
    ENTRIES,
    LOCK_HEIRS,
    CARRY,
)
CLEAR = "DROP TABLE due, days, booking"

# The columns of their one row are parameters of all that follow; `meters` and `meter_days` are what a chunk tells.
FACTS = (MOMENTS, CYCLES)
# Left out where the fact is null or false, as on most days for most chunks.
ONLY_WITH = {
    LOCK_CHAINS: "heirs",
    REOPEN: "again_from",
    UNDO: "again_from",
    BY_METER: "cycles_from",
    CARRIED: "cycles_from",
    CORRECTIONS: "again_from",
    LOCK_HEIRS: "ended",
    CARRY: "ended",
}
