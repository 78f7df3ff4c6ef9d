\set meter random(1, :meters)
WITH spent AS (
    INSERT INTO bare_serial VALUES (1, gen_random_uuid()::text, decode(md5('digest'), 'hex'), :body, :answer, now())
), stored AS (
    INSERT INTO bare_reading (meter_no, read_at, index, battery, valve, received_at)
    VALUES (lpad(:meter::text, 12, '0'), clock_timestamp(), 2, 6.14, 'open', now())
), latest AS (
    UPDATE bare_state SET read_at = now(), index = 2, battery = 6.14, valve = 'open'
    WHERE meter_no = lpad(:meter::text, 12, '0')
)
INSERT INTO bare_outbox (peer, serial_no, lane, body, state, due_at)
VALUES (2, gen_random_uuid()::text, :meter, :body, 'pending', now());
