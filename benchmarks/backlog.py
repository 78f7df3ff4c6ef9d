"""A company with meters and two peers, and messages that wait for its CIS."""

import hashlib
import json
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone

from benchmarks.databases import FILL

CIS, HEADEND, SECRET = "bench-cis", "bench-headend", "bench-secret"
COMPANY, FACTOR = "1", "1"
READINGS = Path(__file__).resolve().parent / "readings_fill.sql"


def fill(connection: psycopg.Connection[Any], *, meters: int, cis_url: str) -> None:
    """Meters in service, a CIS at `cis_url`, and a head-end that may report."""
    from protocol.parties import create_peer

    connection.execute(FILL.read_text(encoding="utf-8").replace(":meters", str(meters)))
    create_peer(kind="cis", app_code=CIS, app_secret=SECRET, name=CIS, url=cis_url, companies=[COMPANY])
    create_peer(kind="headend", app_code=HEADEND, app_secret=SECRET, name=HEADEND, manufacturers=[FACTOR])
    connection.execute("VACUUM ANALYZE")


def make_room(*, since: datetime) -> None:
    """Partitions for rows of the past."""
    from protocol.partitions.care import tend_partitions

    tend_partitions(now=timezone.now(), since=since)


def fill_readings(connection: psycopg.Connection[Any], *, meters: int, turns: int, first: datetime) -> None:
    """`turns` readings of each meter, six hours apart, after `first`."""
    text = READINGS.read_text(encoding="utf-8").replace(":first", first.isoformat())
    connection.execute(text.replace(":turns", str(turns)).replace(":meters", str(meters)))


def enqueue(*, messages: int, meters: int, to: str = CIS) -> None:
    """`messages` readings owed to the CIS, the meters in turn; their readNum counts up per meter."""
    from protocol.models import Company, OutboundMessage, Peer

    now = timezone.now()
    owed = {"peer": Peer.objects.get(app_code=to), "company": Company.objects.get(code=COMPANY), "code": "2001"}
    rows = []
    for number in range(messages):
        serial_no = uuid.uuid4().hex
        lane, turn = number % meters + 1, number // meters + 1
        text = json.dumps({"serialNo": serial_no, **body(lane, turn)}, ensure_ascii=False)
        rows.append(OutboundMessage(**owed, serial_no=serial_no, lane=lane, body=text, created_at=now))
    OutboundMessage.objects.bulk_create(rows, batch_size=1_000)


def dead_cis(url: str) -> str:
    """The appCode of another CIS, at an address where nobody listens."""
    from protocol.parties import create_peer

    create_peer(kind="cis", app_code="bench-dead", app_secret=SECRET, name="bench-dead", url=url, companies=[COMPANY])
    return "bench-dead"


def text(lane: int, turn: int) -> str:
    """A whole message."""
    return json.dumps({"serialNo": uuid.uuid4().hex, **body(lane, turn)}, ensure_ascii=False)


def meter_no(lane: int) -> str:
    return f"{lane:012d}"


def device_id(lane: int) -> str:
    """As the SQL of the fill makes it."""
    return hashlib.md5(str(lane).encode(), usedforsecurity=False).hexdigest()


def body(lane: int, turn: int) -> dict[str, str]:
    """As the platform writes it, about 700 bytes."""
    return {
        "userNo": str(lane),
        "deviceId": device_id(lane),
        "factorNo": FACTOR,
        "meterNo": meter_no(lane),
        "billingModel": "3",
        "readNum": str(turn),
        "addGas": "",
        "sumUseGas": "0",
        "sumUseAmount": "0",
        "batteryCap": "6.2",
        "semaphore": "80",
        "temperature": "18.4",
        **dict.fromkeys(
            ("standardTotalValue", "workTotalValue", "standardInstantValue", "workInstantValue", "pressureValue"), ""
        ),
        "curPrice": "0",
        "meterBalance": "0",
        "readDate": "20260317",
        "readTime": "080000",
        "valveState": "2",
        "companyCode": COMPANY,
        "sdateTime": "2026-03-17",
    }
