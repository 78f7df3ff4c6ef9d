"""A peer for 2001: FastAPI and asyncpg, which check the token, and write serial, reading, state and outbox row.

Nothing is judged, no meter is looked up, no scope is checked: less than the project does. PEER_STATEMENTS says whether
its transaction has four statements, as most would write it, or one.
"""

import base64
import hashlib
import hmac
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from fastapi import FastAPI, Header, Request
from pydantic import BaseModel

SECRETS = {"headend": "headend-secret"}
SERIAL = "INSERT INTO bare_serial VALUES (1, $1, $2, $3, $4, $5)"
READING = """
    INSERT INTO bare_reading (meter_no, read_at, index, battery, valve, received_at) VALUES ($1, $2, $3, $4, 'open', $5)
"""
STATE = "UPDATE bare_state SET read_at = $2, index = $3, battery = $4, valve = 'open' WHERE meter_no = $1"
OUTBOX = """
    INSERT INTO bare_outbox (peer, serial_no, lane, body, state, due_at) VALUES (2, $1, $2, $3, 'pending', $4)
"""
ALL_IN_ONE = """
    WITH spent AS (INSERT INTO bare_serial VALUES (1, $1, $2, $3, $4, $5)),
    stored AS (INSERT INTO bare_reading (meter_no, read_at, index, battery, valve, received_at)
        VALUES ($6, $7, $8, $9, 'open', $5)),
    latest AS (UPDATE bare_state SET read_at = $7, index = $8, battery = $9, valve = 'open' WHERE meter_no = $6)
    INSERT INTO bare_outbox (peer, serial_no, lane, body, state, due_at) VALUES (2, $10, $11, $3, 'pending', $5)
"""


class Report(BaseModel):
    serialNo: str
    userNo: str
    meterNo: str
    factorNo: str
    billingModel: str
    readNum: Decimal
    readDate: str
    readTime: str
    batteryCap: Decimal
    semaphore: str
    valveState: str
    sdateTime: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=8, max_size=8) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


def token_is_right(token: str, authorization: str) -> bool:
    app_code, _, timestamp = base64.b64decode(authorization).decode().rpartition(":")
    signed = hashlib.md5(f"{app_code}{SECRETS[app_code]}{timestamp}".encode(), usedforsecurity=False)
    return hmac.compare_digest(signed.hexdigest().upper(), token.upper())


@app.post("/2001")
async def take(
    report: Report, request: Request, accesstoken: str = Header(), authorization: str = Header()
) -> dict[str, Any]:
    if not token_is_right(accesstoken, authorization):
        return {"echoCode": "0103"}
    now = datetime.now(UTC)
    answer = {"echoCode": "0000", "serialNo": report.serialNo, "meterNo": report.meterNo, "valvecontrol": "2"}
    body = (await request.body()).decode()
    digest = hashlib.sha256(body.encode()).digest()
    read_at = datetime.strptime(report.readDate + report.readTime + "+0800", "%Y%m%d%H%M%S%z")
    reading = (report.meterNo, read_at, report.readNum, report.batteryCap)
    owed = (uuid.uuid4().hex, int(report.meterNo))
    async with app.state.pool.acquire() as connection:
        if os.environ.get("PEER_STATEMENTS") == "1":
            spent = (report.serialNo, digest, body, json.dumps(answer), now)
            await connection.execute(ALL_IN_ONE, *spent, *reading, *owed)
            return answer
        async with connection.transaction():
            await connection.execute(SERIAL, report.serialNo, digest, body, json.dumps(answer), now)
            await connection.execute(READING, *reading, now)
            await connection.execute(STATE, *reading)
            await connection.execute(OUTBOX, *owed, body, now)
    return answer
