-- :turns readings per meter, six hours apart, in the order in which they come in: by time, then by meter.
INSERT INTO readings_reading (meter_id, read_at, index, quality, source, received_at, valve, decision,
        battery_voltage, signal_percent, temperature, reported_price, reported_balance, reported_volume, reported_amount)
    SELECT meter, moment, meter % 300 + turn * 0.375, 'valid', 'report', moment + interval '3 seconds', 'open', '',
        6.2, 80, 18.4, 0, 0, 0, 0
    FROM generate_series(1, :turns) turn, generate_series(1, :meters) meter,
        LATERAL (SELECT timestamptz ':first' + turn * interval '6 hours' + meter % 20000 * interval '1 second') t(moment);
