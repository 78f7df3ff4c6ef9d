import asyncio
import time
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer

from protocol.paths import message_path
from protocol.signature import signed_headers
from simulator.callbacks import Behaviour, CallbackDesk, CisStatus
from simulator.serving import serve_status
from tests.simulator.fake_platform import ACCOUNT, NOW

READING = {
    "serialNo": "r1",
    "userNo": "6003000000001",
    "deviceId": "d1",
    "factorNo": "0030",
    "meterNo": "003000000001",
    "readNum": "100.5",
}
COMMAND = {"serialNo": "c1", "deviceId": "d1", "sendSerialNo": "x", "paramNo": "03", "excuteState": "1"}
ALARM = {"serialNo": "a1", "deviceId": "", "alarmType": "05"}
DENIED = {"echoCode": "0103", "echoMsg": "Token 校验未通过：请检查 AccessToken 和 Authorization"}


class Desk:
    """The callback desk served on 127.0.0.1, and a signing caller of it."""

    def __init__(self, behaviour):
        self.status = CisStatus()
        self.desk = CallbackDesk(account=ACCOUNT, clock=lambda: NOW, status=self.status, behaviour=behaviour)
        app = self.desk.application()
        serve_status(app, lambda: self.status)
        self.client = TestClient(TestServer(app))

    async def post(self, code, message, **changes):
        signature: dict[str, Any] = {
            "app_code": ACCOUNT.app_code,
            "app_secret": ACCOUNT.app_secret,
            "now": NOW,
        } | changes
        body = message if isinstance(message, bytes) else orjson.dumps(message)
        return await self.send(code, body, signed_headers(**signature))

    async def send(self, code, body, headers):
        async with self.client.post(message_path(code), data=body, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path):
        async with self.client.get(path) as response:
            assert response.content_type == "application/json"
            return await response.json()


def at_desk(scenario, behaviour=None):
    async def play():
        desk = Desk(behaviour or Behaviour())
        await desk.client.server.start_server(access_log=None)
        async with desk.client:
            return await scenario(desk)

    return asyncio.run(play())


def test_a_reading_is_answered_flat():
    async def scenario(desk):
        assert await desk.post("2001", READING) == (
            200,
            {
                "echoCode": "0000",
                "serialNo": "r1",
                "userNo": "6003000000001",
                "deviceId": "d1",
                "factorNo": "0030",
                "meterNo": "003000000001",
                "valvecontrol": "2",
                "currentprice": "2.6",
                "remainquantity": "138.7",
                "rdateTime": "20261122101530",
            },
        )

    at_desk(scenario)


def test_a_command_result_gets_a_receipt():
    async def scenario(desk):
        receipt = {"serialNo": "c1", "deviceId": "d1", "rdateTime": "20261122101530"}
        assert await desk.post("2002", COMMAND) == (200, {"echoCode": "0000", "echoMsg": receipt})

    at_desk(scenario)


def test_an_alarm_is_answered_with_a_sentence():
    async def scenario(desk):
        assert await desk.post("2003", ALARM) == (200, {"echoCode": "0000", "echoMsg": "告警上报成功"})

    at_desk(scenario)


def test_status_and_messages_show_what_came_in():
    async def scenario(desk):
        for code, message in (("2001", READING), ("2002", COMMAND), ("2003", ALARM)):
            await desk.post(code, message)
        assert await desk.get("/messages") == [READING, COMMAND, ALARM]
        assert await desk.get("/status") == {
            "registered": 0,
            "callbacks": 3,
            "duplicates": 0,
            "bad_signatures": 0,
            "readings_rows": 0,
            "usage_rows": 0,
            "queries": 0,
            "errors": 0,
            "last_error": "",
            "commands": 0,
            "recharges": 0,
            "cancellations": 0,
            "results": 1,
            "alarms": 1,
        }

    at_desk(scenario)


def test_results_are_kept_by_command_and_each_serial_counts_once():
    async def scenario(desk):
        again = COMMAND | {"serialNo": "c2", "excuteState": "2"}
        for message in (COMMAND, COMMAND, again, COMMAND | {"serialNo": "c3", "sendSerialNo": "y"}):
            await desk.post("2002", message)
        assert await desk.get("/results") == {"x": ["1", "2"], "y": ["1"]}
        assert desk.status == CisStatus(callbacks=3, duplicates=1, results=3)

    at_desk(scenario)


def test_alarms_are_counted_once():
    async def scenario(desk):
        for message in (ALARM, ALARM, ALARM | {"serialNo": "a2"}):
            await desk.post("2003", message)
        assert desk.status == CisStatus(callbacks=2, duplicates=1, alarms=2)

    at_desk(scenario)


def test_messages_keeps_the_last_200():
    async def scenario(desk):
        for n in range(203):
            await desk.post("2003", ALARM | {"serialNo": f"a{n}"})
        assert [message["serialNo"] for message in await desk.get("/messages")] == [f"a{n}" for n in range(3, 203)]

    at_desk(scenario)


@pytest.mark.parametrize(
    "changes",
    [
        {"app_secret": "wrong"},
        {"app_code": "another"},
        {"now": NOW - timedelta(seconds=601)},
        {"now": NOW + timedelta(seconds=601)},
    ],
)
def test_a_bad_signature_is_refused_and_takes_nothing(changes):
    async def scenario(desk):
        assert await desk.post("2001", READING, **changes) == (200, DENIED)
        assert desk.status == CisStatus(bad_signatures=1)
        assert await desk.get("/messages") == []

    at_desk(scenario)


@pytest.mark.parametrize("missing", ["AccessToken", "Authorization"])
def test_a_missing_header_is_a_bad_signature(missing):
    async def scenario(desk):
        headers = signed_headers(app_code=ACCOUNT.app_code, app_secret=ACCOUNT.app_secret, now=NOW)
        del headers[missing]
        assert await desk.send("2001", orjson.dumps(READING), headers) == (200, DENIED)
        assert desk.status == CisStatus(bad_signatures=1)

    at_desk(scenario)


@pytest.mark.parametrize("seconds", [-600, 600])
def test_the_window_is_ten_minutes_wide_on_both_sides(seconds):
    async def scenario(desk):
        status, answer = await desk.post("2001", READING, now=NOW + timedelta(seconds=seconds))
        assert (status, answer["echoCode"]) == (200, "0000")

    at_desk(scenario)


def test_a_repeated_message_gets_the_same_answer_and_counts_once():
    async def scenario(desk):
        first = await desk.post("2001", READING)
        desk.desk.clock = lambda: NOW + timedelta(seconds=90)
        assert await desk.post("2001", READING) == first
        assert desk.status == CisStatus(callbacks=1, duplicates=1)
        assert await desk.get("/messages") == [READING]

    at_desk(scenario)


@pytest.mark.parametrize(("code", "message"), [("2001", READING | {"readNum": "100.6"}), ("2003", READING)])
def test_a_spent_serial_with_another_message_is_refused(code, message):
    async def scenario(desk):
        await desk.post("2001", READING)
        assert await desk.post(code, message) == (200, {"echoCode": "9999", "echoMsg": "通讯流水 r1 重复"})
        assert desk.status == CisStatus(callbacks=1, errors=1, last_error=f"{code}: 通讯流水 r1 重复")

    at_desk(scenario)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "报文不是有效的 JSON"),
        (b"[]", "报文必须是 JSON 对象"),
        (b"{}", "serialNo 不能为空"),
        (b'{"serialNo": 5}', "serialNo 不能为空"),
        (b'{"serialNo": "r1"}', "readNum 不是有效的数字"),
        (b'{"serialNo": "r1", "readNum": "NaN"}', "readNum 不是有效的数字"),
        (b'{"serialNo": "r1", "readNum": "1E+999999"}', "readNum 不是有效的数字"),
    ],
)
def test_a_malformed_message_is_refused(body, text):
    async def scenario(desk):
        assert await desk.post("2001", body) == (200, {"echoCode": "9999", "echoMsg": text})
        assert desk.status == CisStatus(errors=1, last_error=f"2001: {text}")

    at_desk(scenario)


def failures(seed, count=60):
    async def scenario(desk):
        return [(await desk.post("2003", ALARM | {"serialNo": f"a{n}"}))[0] for n in range(count)], desk.status

    return at_desk(scenario, Behaviour(fail_rate=0.5, seed=seed))


def test_failures_follow_the_seed_and_half_of_them_took_the_message():
    statuses, status = failures(seed=3)
    assert statuses == failures(seed=3)[0]
    assert statuses != failures(seed=4)[0]
    assert set(statuses) == {200, 500}
    assert statuses.count(200) < status.callbacks < len(statuses)
    assert status.errors == 0


def test_an_answer_can_be_slow():
    async def scenario(desk):
        began = time.monotonic()
        await desk.post("2003", ALARM)
        assert time.monotonic() - began >= 0.05

    at_desk(scenario, Behaviour(delay_seconds=0.05))


def test_the_secret_is_in_no_text():
    assert ACCOUNT.app_secret not in repr(ACCOUNT)
