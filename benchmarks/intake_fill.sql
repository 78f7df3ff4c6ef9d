-- :meters meters of one company and manufacturer (made before), with one reading each, fifty days ago.
INSERT INTO pricing_price (company_id, manufacturer_id, code) VALUES (1, 1, 'P');
INSERT INTO pricing_priceversion (price_id, version, kind, cycle_months, restarts_cycle)
    VALUES (1, 'V1', '2', 12, false);
INSERT INTO pricing_pricetier (version_id, position, lower, upper, unit_price)
    VALUES (1, 1, 0, 100, 1.4), (1, 2, 100, 250, 2.4), (1, 3, 250, NULL, 3.4);
INSERT INTO meters_meter (company_id, manufacturer_id, user_no, meter_no, device_id, comm_no, meter_type, user_name,
        address, phone, customer_type, billing_model, pay_mode, overdraft, status, registered_at, initial_index,
        initial_cycle_volume, created_at, end_reason)
    SELECT 1, 1, g, lpad(g::text, 12, '0'), md5(g::text), '', '441', '用户', '某路 ' || g, '', '02', '3', '1', 0,
        'active', now() - interval '60 days', 0, 0, now(), ''
    FROM generate_series(1, :meters) g;
INSERT INTO meters_meterstate (meter_id, read_at, index, reported_at, valve, cis_valve_control, recharged,
        recharge_count, last_recharge)
    SELECT id, now() - interval '50 days', 1, now() - interval '50 days', 'open', '', 0, 0, 0
    FROM meters_meter ORDER BY id;
INSERT INTO meters_meterprice (meter_id, price_id, starts)
    SELECT id, 1, current_date - 60 FROM meters_meter ORDER BY id;
INSERT INTO meters_account (meter_id, unsettled_from, settled_through, settled_index, cycle_start, cycle_volume,
        settled_volume, settled_amount, credited, in_arrears, kept_here, is_heir, overdraft_limit)
    SELECT id, current_date - 49, current_date - 50, 1, date_trunc('year', current_date), 1, 1, 0, 500, false, true,
        false, 0
    FROM meters_meter ORDER BY id;
INSERT INTO readings_reading (meter_id, read_at, index, quality, source, received_at, valve, decision)
    SELECT id, now() - interval '50 days', 1, 'valid', 'report', now(), 'open', '' FROM meters_meter ORDER BY id;

-- The same four things for the floor and the peers: serials, readings, latest states, messages owed.
CREATE TABLE bare_serial (peer int, serial_no varchar(64), digest bytea, body text, answer text, received_at timestamptz,
    PRIMARY KEY (peer, serial_no));
CREATE TABLE bare_reading (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, meter_no varchar(12),
    read_at timestamptz, index numeric(14,4), battery numeric(8,4), valve varchar(7), received_at timestamptz,
    UNIQUE (meter_no, read_at, index));
CREATE TABLE bare_state (meter_no varchar(12) PRIMARY KEY, read_at timestamptz, index numeric(14,4),
    battery numeric(8,4), valve varchar(7)) WITH (fillfactor = 80);
CREATE TABLE bare_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, peer int, serial_no varchar(64) UNIQUE,
    lane bigint, body text, state varchar(9), due_at timestamptz);
CREATE INDEX ON bare_outbox (due_at) WHERE state = 'pending';
INSERT INTO bare_state SELECT meter_no, now() - interval '50 days', 1, 6, 'open' FROM meters_meter;
