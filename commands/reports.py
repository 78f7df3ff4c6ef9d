"""Telling the CIS how its command ended (2002, R13)."""

from datetime import datetime

from commands.models import Command, CommandState
from protocol.outbox import enqueue
from protocol.wire import compact_time

DONE, NOT_DONE = "1", "2"


def report_to_cis(command: Command, *, now: datetime) -> None:
    """One 2002 to the CIS that asked, in the running transaction; nobody else knows the command's serial."""
    if command.peer is None or not command.peer.url:
        return
    meter = command.meter
    body = {
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": meter.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "sendSerialNo": command.serial_no,
        "paramNo": command.kind,
        "excuteState": DONE if command.state == CommandState.SUCCEEDED else NOT_DONE,
        "companyCode": meter.company.code,
        "sdateTime": compact_time(now),
    }
    enqueue(peer=command.peer, company_id=meter.company_id, code="2002", lane=meter.pk, body=body, now=now)
