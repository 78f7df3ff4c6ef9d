"""Telling the CIS of an alarm (2003)."""

from collections.abc import Iterable
from datetime import datetime

from alarms.models import AlarmOccurrence, AlarmType
from meters.models import Meter
from protocol.models import Peer
from protocol.outbox import cis_peers, enqueue
from protocol.wire import compact_time


def tell_cis(told: Iterable[tuple[Meter, AlarmOccurrence]], *, type: AlarmType, now: datetime) -> None:
    """One outbox row per occurrence and CIS of the meter's company, in the running transaction."""
    peers: dict[tuple[int, int], list[Peer]] = {}
    for meter, occurrence in told:
        scope = (meter.company_id, meter.manufacturer_id)
        if scope not in peers:
            peers[scope] = cis_peers(meter.company, meter.manufacturer)
        for peer in peers[scope]:
            body = _body(meter, occurrence, type=type)
            enqueue(peer=peer, company_id=meter.company_id, code="2003", lane=meter.pk, body=body, now=now)


def _body(meter: Meter, occurrence: AlarmOccurrence, *, type: AlarmType) -> dict[str, str]:
    return {
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": meter.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "alarmType": type.value,
        "alarmContent": occurrence.content,
        "alarmPriority": str(int(occurrence.priority)),
        "companyCode": meter.company.code,
        "sdateTime": compact_time(occurrence.at),
    }
