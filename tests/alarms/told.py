"""Alarms as a head-end sends them, and what the CIS is told."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from alarms.models import Alarm, AlarmOccurrence
from protocol.models import OutboundMessage
from protocol.wire import compact_time
from tests.world import COMPANY, FACTOR, World

METER = "188011110128"
TAKEN = {"echoCode": "0000", "echoMsg": "告警上报成功"}


def alarm(world: World, moment: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """A 2003; a field that is None is left out."""
    body = {
        "userNo": METER,
        "meterNo": METER,
        "companyCode": COMPANY,
        "factorNo": FACTOR,
        "alarmType": "05",
        "alarmContent": "阀门直通",
        "alarmPriority": "3",
        "sdateTime": compact_time(moment or ago(minutes=1)),
        **fields,
    }
    return world.headend.send("2003", **{key: value for key, value in body.items() if value is not None})


def ago(**span: float) -> datetime:
    """A whole second, so that it survives the wire."""
    return timezone.now().replace(microsecond=0) - timedelta(**span)


def told() -> list[dict[str, Any]]:
    """The bodies of the 2003 owed to a CIS, oldest first."""
    return [json.loads(message.body) for message in OutboundMessage.objects.filter(code="2003").order_by("id")]


def alarms() -> list[tuple[str, str, int]]:
    """Type, state and count of every alarm."""
    return list(Alarm.objects.order_by("id").values_list("type", "state", "occurrences"))


def nothing_kept() -> bool:
    return not (Alarm.objects.exists() or AlarmOccurrence.objects.exists() or told())
