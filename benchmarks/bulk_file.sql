-- :turns readings of each of :meters meters in the columns of an export, in the order in which a head-end keeps them.
COPY (
    SELECT '1' AS company, '1' AS manufacturer, lpad(meter::text, 12, '0') AS meter_no, meter AS user_no,
        md5(meter::text) AS device_id,
        to_char((now() - interval '40 days' + turn * interval '6 hours' + meter % 20000 * interval '1 second')
            AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"') AS read_at,
        round(1 + turn * 0.375 + meter % 7 / 100.0, 4) AS index, 'valid' AS quality, 'report' AS source,
        NULL AS received_at, 'open' AS valve, 6.2 AS battery_voltage, 80 AS signal_percent,
        round(10 + meter % 97 / 10.0, 1) AS temperature, NULL AS standard_total, NULL AS working_total,
        NULL AS standard_flow, NULL AS working_flow, NULL AS pressure, 0 AS reported_price, 0 AS reported_balance,
        round(turn * 0.375, 4) AS reported_volume, 0 AS reported_amount
    FROM generate_series(1, :turns) turn, generate_series(1, :meters) meter
) TO STDOUT (FORMAT csv, HEADER)
