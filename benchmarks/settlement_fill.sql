-- One company, one price of three tiers by calendar year, :meters meters in service since last autumn, one reading each.
INSERT INTO protocol_company (code, name) VALUES ('1', 'bench');
INSERT INTO protocol_manufacturer (factor_no, name) VALUES ('1', 'bench');
INSERT INTO pricing_price (company_id, manufacturer_id, code) VALUES (1, 1, 'P');
INSERT INTO pricing_priceversion (price_id, version, kind, cycle_months, restarts_cycle)
    VALUES (1, 'V1', '2', 12, false);
INSERT INTO pricing_pricetier (version_id, position, lower, upper, unit_price)
    VALUES (1, 1, 0, 100, 1.4), (1, 2, 100, 250, 2.4), (1, 3, 250, NULL, 3.4);
INSERT INTO meters_meter (company_id, manufacturer_id, user_no, meter_no, device_id, comm_no, meter_type, user_name,
        address, phone, customer_type, billing_model, pay_mode, overdraft, status, registered_at, initial_index,
        initial_cycle_volume, created_at, end_reason)
    SELECT 1, 1, g, lpad(g::text, 12, '0'), md5(g::text), '', '441', '用户', '某路 ' || g, '', '02', '3', '1', 0,
        'active', '2025-10-01', 0, 0, now(), ''
    FROM generate_series(1, :meters) g;
INSERT INTO meters_meterstate (meter_id, valve, cis_valve_control, recharged, recharge_count, last_recharge)
    SELECT id, 'open', '', 0, 0, 0 FROM meters_meter ORDER BY id;
INSERT INTO meters_meterprice (meter_id, price_id, starts) SELECT id, 1, '2025-10-01' FROM meters_meter ORDER BY id;
INSERT INTO meters_account (meter_id, unsettled_from, settled_through, settled_index, cycle_start, cycle_volume,
        settled_volume, settled_amount, credited, in_arrears, kept_here, is_heir, overdraft_limit)
    SELECT id, '2026-03-17', '2026-03-16', id % 300, '2026-01-01', id % 300, id % 300, 0, 500, false, true, false, 0
    FROM meters_meter ORDER BY id;
INSERT INTO readings_reading (meter_id, read_at, index, quality, source, received_at, valve, decision)
    SELECT id, timestamptz '2026-03-17 08:00+08' + (id % 50000) * interval '1 second', id % 300 + 0.5 + id % 7 / 3.0,
        'valid', 'report', now(), 'open', ''
    FROM meters_meter ORDER BY id;
CREATE TABLE floor_usage (meter_id bigint, day date, tier smallint, volume numeric(14,4), unit_price numeric(14,4),
    amount numeric(16,4), PRIMARY KEY (meter_id, day, tier));
