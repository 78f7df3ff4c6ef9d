-- The messages to the CIS, as JSON that PostgreSQL writes.
INSERT INTO protocol_outboundmessage (peer_id, company_id, code, lane, serial_no, body, created_at)
    SELECT 1, 1, '2001', m.id, serial, json_build_object('serialNo', serial, 'userNo', m.user_no, 'deviceId', m.device_id,
            'factorNo', '1', 'meterNo', m.meter_no, 'billingModel', m.billing_model, 'readNum', i.index::text,
            'addGas', '', 'sumUseGas', i.reported_volume::text, 'sumUseAmount', i.reported_amount::text,
            'batteryCap', i.battery_voltage::text, 'semaphore', i.signal_percent::text,
            'temperature', i.temperature::text, 'standardTotalValue', '', 'workTotalValue', '',
            'standardInstantValue', '', 'workInstantValue', '', 'pressureValue', '',
            'curPrice', i.reported_price::text, 'meterBalance', i.reported_balance::text,
            'readDate', to_char(i.read_at, 'YYYYMMDD'), 'readTime', to_char(i.read_at, 'HH24MISS'), 'valveState', '2',
            'companyCode', '1', 'sdateTime', '2026-01-01')::text, now()
    FROM incoming i JOIN meters_meter m ON m.manufacturer_id = 1 AND m.meter_no = i.meter_no AND m.status = 'active',
        LATERAL (SELECT md5(i.read_at::text || m.id)) x (serial)
    ORDER BY m.id, i.read_at
