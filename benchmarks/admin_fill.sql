-- A platform of :meters meters for the pages of the staff. Statements end with a semicolon at the end of a line.
-- Company 1 has most of the meters, 2 a tenth, 5 one of 200, 6 one of 1,000, 3 one of 5,000, 4 none.
-- Every address begins alike.
INSERT INTO protocol_company (code, name) VALUES ('1', '大燃气'), ('2', '中燃气'), ('3', '小燃气'), ('4', '新燃气'),
    ('5', '县燃气'), ('6', '镇燃气');

INSERT INTO protocol_manufacturer (factor_no, name) VALUES ('1', '一厂'), ('2', '二厂'), ('3', '三厂');

INSERT INTO protocol_peer (kind, name, app_code, app_secret, previous_secret, url, is_active, allowed_addresses)
    SELECT kind, kind || n, kind || n, 'secret', '', 'http://127.0.0.1:9', true, '{}'
    FROM (SELECT 1, kind, n FROM (VALUES ('cis'), ('headend')) k(kind), generate_series(1, 3) n
        UNION ALL SELECT 2, 'cis', n FROM generate_series(5, 6) n) p(turn, kind, n) ORDER BY turn, kind, n;

INSERT INTO protocol_peer_companies (peer_id, company_id)
    SELECT id, right(app_code, 1)::bigint FROM protocol_peer WHERE kind = 'cis';

INSERT INTO protocol_peer_manufacturers (peer_id, manufacturer_id)
    SELECT id, right(app_code, 1)::bigint FROM protocol_peer WHERE kind = 'headend';

-- Three prices a company, and one that hardly any meter has.
INSERT INTO pricing_price (company_id, manufacturer_id, code)
    SELECT c, m, 'P' || c || m FROM unnest(ARRAY[1, 2, 3, 5, 6]) c, generate_series(1, 3) m UNION ALL SELECT 1, 1, 'RARE';

INSERT INTO pricing_priceversion (price_id, version, kind, cycle_months, restarts_cycle)
    SELECT id, 'V1', '2', 12, false FROM pricing_price ORDER BY id;

INSERT INTO pricing_pricetier (version_id, position, lower, upper, unit_price)
    SELECT id, position, lower, upper, unit_price FROM pricing_priceversion,
        (VALUES (1, 0, 100, 1.4), (2, 100, 250, 2.4), (3, 250, NULL, 3.4)) t(position, lower, upper, unit_price);

INSERT INTO meters_meter (company_id, manufacturer_id, user_no, meter_no, device_id, comm_no, meter_type, user_name,
        address, phone, customer_type, billing_model, pay_mode, overdraft, status, ended_at, registered_at,
        initial_index, initial_cycle_volume, created_at, end_reason)
    SELECT CASE WHEN g % 5000 = 7 THEN 3 WHEN g % 200 = 9 THEN 5 WHEN g % 1000 = 19 THEN 6 WHEN g % 10 = 3 THEN 2 ELSE 1 END, g % 3 + 1, '88' || lpad(g::text, 10, '0'),
        lpad(g::text, 12, '0'), md5(g::text), '', '441',
        substr('王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗', g % 20 + 1, 1)
            || substr('伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚', g / 20 % 20 + 1, 1)
            || CASE WHEN g % 3 = 0 THEN '' ELSE substr('华建国文春红玉海晓志', g / 400 % 10 + 1, 1) END,
        '滨海市高新区人民路' || g % 300 + 1 || '号'
            || CASE WHEN g % 2000 = 11 THEN '鹭岛' ELSE substr('春夏秋冬东西南北江河湖海松竹梅兰', g / 7 % 16 + 1, 1)
            || substr('园苑里湾庭府城居', g / 11 % 8 + 1, 1) END || g / 300 % 90 + 1 || '栋' || g % 33 + 1 || '室',
        '139' || lpad((g::bigint * 7919 % 99999989)::text, 8, '0'), lpad((g % 9 + 1)::text, 2, '0'), (g % 3 + 1)::text,
        (g % 2 + 1)::text, 0, CASE WHEN g % 50 = 0 THEN 'ended' ELSE 'active' END,
        CASE WHEN g % 50 = 0 THEN now() - g % 90 * interval '1 day' END,
        now() - interval '2 years' + g * (interval '1 year' / :meters), 0, 0, now(), ''
    FROM generate_series(1, :meters) g;

INSERT INTO meters_meterstate (meter_id, read_at, index, reported_at, valve, battery_voltage, signal_percent,
        reported_balance, cis_remaining, cis_valve_control, recharged, recharge_count, last_recharge)
    SELECT id, t, id % 300 + 100, t, CASE WHEN id % 33 = 0 THEN 'closed' WHEN id % 101 = 0 THEN 'unknown' ELSE 'open' END,
        6.2, 80, 12, 12, '', 0, 0, 0
    FROM meters_meter, LATERAL (SELECT now() - id % 86400 * interval '1 second') s(t) ORDER BY id;

INSERT INTO meters_meterprice (meter_id, price_id, starts)
    SELECT m.id, CASE WHEN m.id % 9001 = 1 AND p.company_id = 1 THEN (SELECT max(id) FROM pricing_price) ELSE p.id END,
        current_date - 700
    FROM meters_meter m JOIN pricing_price p ON p.code = 'P' || m.company_id || m.manufacturer_id ORDER BY m.id;

INSERT INTO meters_account (meter_id, unsettled_from, settled_through, settled_index, cycle_start, cycle_volume,
        settled_volume, settled_amount, credited, in_arrears, kept_here, is_heir, overdraft_limit)
    SELECT id, current_date, current_date - 1, id % 300 + 100, date_trunc('year', current_date), id % 300, id % 300 + 100,
        300, 320, id % 100 = 5, billing_model = '3', false, 0
    FROM meters_meter ORDER BY id;

INSERT INTO meters_accountentry (meter_id, kind, amount, day, reference, created_at)
    SELECT id, kind, amount, current_date - 1, CASE WHEN kind = 'recharge' THEN 'R' || id ELSE '' END, now()
    FROM meters_meter, (VALUES ('recharge', 100), ('settlement', -3)) e(kind, amount) ORDER BY id, kind;

INSERT INTO readings_dailyusage (meter_id, day, tier, volume, unit_price, amount)
    SELECT m, current_date - d, CASE WHEN m % 300 > 250 THEN 3 WHEN m % 300 > 100 THEN 2 ELSE 1 END, 1, 2.4, 2.4
    FROM generate_series(10, 1, -1) d, generate_series(1, :meters) m;

-- Of two messages one is the 1004 of a command; the last ones wait, some of each kind are stuck. Twenty days of them.
INSERT INTO protocol_outboundmessage (peer_id, company_id, code, serial_no, lane, body, state, once_only, tries,
        claimed_at, answer, created_at, finished_at, stuck_at, withdrawn_at)
    SELECT CASE WHEN g % 2 = 0 THEN 3 + m.manufacturer_id WHEN m.company_id > 4 THEN m.company_id + 2
            ELSE m.company_id END, m.company_id,
        CASE WHEN g % 2 = 0 THEN '1004' WHEN g % 50 = 1 THEN '2003' WHEN g % 10 = 3 THEN '2002' ELSE '2001' END,
        md5('out' || g), m.id, json_build_object('serialNo', md5('out' || g), 'meterNo', m.meter_no, 'userNo', m.user_no,
            'deviceId', m.device_id, 'readNum', '12.5', 'text', repeat('x', 400)),
        s.state, g % 2 = 0, 1, t, CASE WHEN s.state = 'delivered' THEN '{"echoCode":"0000","echoMsg":"成功"}' ELSE '' END,
        t, CASE WHEN s.state <> 'pending' THEN t + interval '2 seconds' END,
        CASE WHEN s.state IN ('dead', 'rejected') THEN t + interval '2 seconds' END,
        CASE WHEN s.state = 'withdrawn' THEN t + interval '2 seconds' END
    FROM generate_series(1, 2 * :meters) g JOIN meters_meter m ON m.id = (g + 1)::bigint / 2 * 7919 % :meters + 1,
        LATERAL (SELECT CASE WHEN g > 2 * :meters - 5000 THEN 'pending' WHEN g % 999 = 5 THEN 'dead'
            WHEN g % 999 = 6 THEN 'rejected' WHEN g % 9999 = 7 THEN 'withdrawn' ELSE 'delivered' END,
            now() - interval '20 days' + g * (interval '20 days' / (2.0 * :meters))) s(state, t)
    ORDER BY g;

INSERT INTO protocol_outboundattempt (message_id, message_created_at, attempted_at, duration_ms, http_status, echo_code,
        answer, error)
    SELECT id, created_at, finished_at, 40, 200, '0000', answer, '' FROM protocol_outboundmessage
    WHERE state IN ('delivered', 'withdrawn') ORDER BY id;

INSERT INTO protocol_outboundattempt (message_id, message_created_at, attempted_at, duration_ms, http_status, echo_code,
        answer, error)
    SELECT id, created_at, finished_at, 40, 500, '', 'error', '' FROM protocol_outboundmessage, generate_series(1, 5)
    WHERE state IN ('dead', 'rejected') ORDER BY id;

INSERT INTO protocol_inboundmessage (peer_id, company_id, code, serial_no, digest, succeeded, echo_code, body, answer,
        received_at)
    SELECT CASE WHEN g % 20 <> 0 THEN 3 + m.manufacturer_id WHEN m.company_id > 4 THEN m.company_id + 2
            ELSE m.company_id END, m.company_id,
        CASE WHEN g % 40 = 0 THEN '1001' WHEN g % 20 = 0 THEN '1004' WHEN g % 50 = 1 THEN '2003' WHEN g % 10 = 3 THEN '2002'
            ELSE '2001' END,
        md5('in' || g), decode(md5('in' || g), 'hex'), g % 100 <> 77, CASE WHEN g % 100 = 77 THEN '9999' ELSE '0000' END,
        json_build_object('serialNo', md5('in' || g), 'meterNo', m.meter_no, 'userNo', m.user_no, 'text', repeat('x', 400)),
        '{"echoCode":"0000","echoMsg":"成功"}', now() - interval '20 days' + g * (interval '20 days' / (2.0 * :meters))
    FROM generate_series(1, 2 * :meters) g JOIN meters_meter m ON m.id = g::bigint * 104729 % :meters + 1 ORDER BY g;

INSERT INTO protocol_inboundserial (serial_no, peer_id, received_at)
    SELECT serial_no, peer_id, received_at FROM protocol_inboundmessage WHERE succeeded ORDER BY received_at;

INSERT INTO commands_command (meter_id, kind, payload, reference, state, origin, peer_id, serial_no, message_id,
        queued_at, expires_at, sent_at, finished_at)
    SELECT m.id, kind, CASE WHEN kind = '05' THEN jsonb '{"rechargeAmount": "100"}' ELSE jsonb '{"valveSet": "1"}' END,
        CASE WHEN kind = '05' THEN 'R' || g ELSE '' END, state,
        CASE WHEN g % 10 = 9 THEN 'staff' WHEN g % 10 = 8 THEN 'arrears' ELSE 'cis' END,
        CASE WHEN m.company_id > 4 THEN m.company_id + 2 ELSE m.company_id END, md5('asked' || g),
        2 * g, t, t + interval '3 days', CASE WHEN state <> 'queued' THEN t END,
        CASE WHEN state NOT IN ('queued', 'sent') THEN t + interval '1 minute' END
    FROM generate_series(1, :meters) g JOIN meters_meter m ON m.id = g::bigint * 7919 % :meters + 1,
        LATERAL (SELECT CASE WHEN g % 5 = 4 THEN '05' ELSE '03' END,
            CASE WHEN g > :meters - 300 THEN 'queued' WHEN g > :meters - 600 THEN 'sent' WHEN g % 50 = 3 THEN 'failed'
                WHEN g % 100 = 4 THEN 'expired' WHEN g % 200 = 5 THEN 'cancelled' ELSE 'succeeded' END,
            now() - interval '60 days' + g * (interval '60 days' / :meters)) s(kind, state, t)
    ORDER BY g;

INSERT INTO commands_commandevent (command_id, at, from_state, to_state, cause)
    SELECT id, queued_at, s.a, s.b, 'cause' FROM commands_command,
        LATERAL (VALUES ('', 'queued'), ('queued', 'sent'), ('sent', state)) s(a, b) ORDER BY id;

INSERT INTO alarms_alarm (meter_id, type, priority, content, state, first_at, last_at, occurrences, by_headend,
        cleared_at, cleared_because)
    SELECT g::bigint * 7919 % :meters + 1, lpad((g % 7 + 1)::text, 2, '0'), CASE WHEN g % 7 = 6 THEN 2 ELSE 3 END, '告警',
        CASE WHEN g % 20 = 1 THEN 'open' WHEN g % 40 = 2 THEN 'acknowledged' ELSE 'cleared' END, t, t, 2, true,
        CASE WHEN g % 20 = 1 OR g % 40 = 2 THEN NULL ELSE t + interval '1 hour' END, ''
    FROM generate_series(1, :meters / 10) g,
        LATERAL (SELECT now() - interval '60 days' + g * (interval '60 days' * 10 / :meters)) s(t) ORDER BY g;

INSERT INTO alarms_alarmoccurrence (alarm_id, at, content, priority, source)
    SELECT id, first_at, content, priority, 'headend' FROM alarms_alarm, generate_series(1, 2) ORDER BY id;

INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined)
    SELECT name, '!', name = 'chief', true, true, '', '', '', now()
    FROM unnest(ARRAY['chief', 'huge', 'small', 'new', 'county', 'town']) name;

INSERT INTO auth_user_groups (user_id, group_id)
    SELECT u.id, g.id FROM auth_user u, auth_group g WHERE g.name = 'administrator' AND u.username <> 'chief';

INSERT INTO staff_staffscope (user_id, all_companies) SELECT id, false FROM auth_user WHERE username <> 'chief';

INSERT INTO staff_staffscope_companies (staffscope_id, company_id)
    SELECT u.id, c.id FROM auth_user u JOIN protocol_company c
        ON c.code = CASE u.username WHEN 'huge' THEN '1' WHEN 'small' THEN '3' WHEN 'new' THEN '4'
            WHEN 'county' THEN '5' WHEN 'town' THEN '6' END;

INSERT INTO readings_readingreview (meter_id, read_at, index, decision, quality_before, quality_after, note, by_id, at)
    SELECT g::bigint * 37 % :meters + 1, now(), 1, 'accepted', 'jump', 'valid', 'note', 1, now()
    FROM generate_series(1, :meters / 50) g;

INSERT INTO staff_staffact (at, by_id, act, target_model, target_pk, target_text, company_id, before, after, note)
    SELECT now() - (:meters / 5 - g) * interval '1 minute', g % 3 + 1, 'command.replay', 'commands.command', g, '#' || g,
        (SELECT company_id FROM meters_meter WHERE id = g), '{}', '{}', ''
    FROM generate_series(1, :meters / 5) g;

INSERT INTO commands_bulkcommand (wish, state, selection, total, created_by_id, created_at, started_at, finished_at)
    SELECT 'closed', 'done', '', 1000, g % 3 + 1, now(), now(), now() FROM generate_series(1, greatest(:meters / 10000, 1)) g;

INSERT INTO commands_bulkcommand_companies (bulkcommand_id, company_id) SELECT id, id % 3 + 1 FROM commands_bulkcommand;

INSERT INTO commands_bulkrow (bulk_id, meter_id, outcome)
    SELECT b.id, m.id, 'already' FROM commands_bulkcommand b JOIN LATERAL (SELECT id FROM meters_meter
        WHERE company_id = b.id % 3 + 1 ORDER BY id LIMIT 1000) m ON true;
