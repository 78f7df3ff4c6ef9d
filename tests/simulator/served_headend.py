"""A head-end that is served on 127.0.0.1, and the orders that a platform may send to it."""

import asyncio
from typing import Any

import orjson
from aiohttp.test_utils import TestClient, TestServer

from protocol.paths import message_path
from protocol.signature import signed_headers
from simulator.fleet import fleet
from simulator.headend import HeadEnd
from simulator.headend_plan import HeadEndPlan
from simulator.orders import OrderDesk
from simulator.serving import serve_status
from tests.simulator.fake_platform import ACCOUNT, NOW, PATIENCE_SECONDS, clock, receipt, running

METER, OTHER = "003000000001", "003000000002"
AT = "2026-11-22 10:15:30"
RECHARGE = {"rechargeAmount": "500", "rechargeCount": "1", "rechargeDate": AT, "rechargeStream": "12345678"}


def order(serial_no, *, meter_no=METER, param_no="03", **data):
    return {
        "serialNo": serial_no,
        "userNo": f"6{meter_no}",
        "deviceId": "d1",
        "factorNo": "0030",
        "meterNo": meter_no,
        "paramNo": param_no,
        "paramContext": {"total": "1", "data": data},
        "companyCode": "10001001",
        "sdateTime": "20261122101530",
    }


def close(serial_no, **about):
    return order(serial_no, valveSet="1", **about)


def open_again(serial_no, **about):
    return order(serial_no, valveSet="0", **about)


def recharge(serial_no, **data):
    return order(serial_no, param_no="05", **RECHARGE | data)


def cancellation(serial_no, send_serial_no, meter_no=METER):
    about = {"userNo": f"6{meter_no}", "meterNo": meter_no, "factorNo": "0030", "companyCode": "10001001"}
    return {"serialNo": serial_no, "sendSerialNo": send_serial_no, **about}


def taken(serial_no, device_id="d1", at="20261122101530"):
    return {"echoCode": "0000", "echoMsg": {"serialNo": serial_no, "deviceId": device_id, "rdateTime": at}}


def execution(send_serial_no, kind, what):
    return {"sendSerialNo": send_serial_no, "kind": kind, "what": what, "at": AT}


class Served:
    """A head-end served on 127.0.0.1, the platform it reports to, and that platform's calls."""

    def __init__(self, headend, fake):
        self.headend, self.fake = headend, fake
        self.desk = OrderDesk(
            account=ACCOUNT, plan=headend.plan, clock=clock, status=headend.status, meters=headend.meters
        )
        app = self.desk.application()
        serve_status(app, headend.snapshot)
        self.client = TestClient(TestServer(app))

    async def post(self, code, message, **changes):
        signature: dict[str, Any] = {
            "app_code": ACCOUNT.app_code,
            "app_secret": ACCOUNT.app_secret,
            "now": NOW,
        } | changes
        body = message if isinstance(message, bytes) else orjson.dumps(message)
        async with self.client.post(message_path(code), data=body, headers=signed_headers(**signature)) as response:
            assert response.status == 200
            return await response.json()

    async def executions(self):
        async with self.client.get("/executions") as response:
            return await response.json()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition(self.headend.snapshot()):
                await asyncio.sleep(0.002)
        await self.headend._notices.all_settled()

    def results(self):
        return [(post.message["sendSerialNo"], post.message["excuteState"]) for post in self.fake.of("2002")]


def serving(scenario, answer=receipt, **changes):
    options: dict[str, Any] = {
        "company": "10001001",
        "factor": "0030",
        "meters": fleet(seed=1, factor="0030", meters=2),
        "days": 0,
        "seed": 1,
        "rate": 500.0,
        "count": 2,
        "first_pause": 0.002,
        "execute_delay": 0.0,
    }

    async def play():
        async with running(answer) as (fake, _, platform):
            headend = HeadEnd(plan=HeadEndPlan(**options | changes), platform=platform, clock=clock)
            served = Served(headend, fake)
            await served.client.server.start_server(access_log=None)
            async with served.client:
                return await scenario(served)

    return asyncio.run(asyncio.wait_for(play(), timeout=2 * PATIENCE_SECONDS))


def results_of(count):
    return lambda status: status.results == count
