"""Telling the CIS of a reading (2001) and keeping its answer (R11)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import orjson
from django.db import connection

from commands.models import Origin
from commands.queue import ask_valve
from meters.models import Account, BillingModel, Meter, MeterStatus, ValveState
from protocol.fields import ChoiceField, NumberField, WireSerializer
from protocol.models import DeliveryState, OutboundMessage
from protocol.outbox import Answered, Ended, cis_peers, enqueue
from protocol.wire import day_text, decimal_text, local
from readings.answers import MeterNames

# A CIS's answer to 2001 (R8); "2" asks for nothing.
ORDINARY_CLOSING = "3"
VALVE_WISHES = {"0": ValveState.OPEN, "1": ValveState.CLOSED, ORDINARY_CLOSING: ValveState.CLOSED}
# Handed on as reported, in the order of the specification's table.
_FORWARDED = (
    "sumUseGas",
    "sumUseAmount",
    "batteryCap",
    "semaphore",
    "temperature",
    "standardTotalValue",
    "workTotalValue",
    "standardInstantValue",
    "workInstantValue",
    "pressureValue",
    "curPrice",
    "meterBalance",
)


def tell_cis(meter: Meter, data: Mapping[str, Any], *, now: datetime) -> None:
    """One outbox row per CIS of the meter's company, in the running transaction."""
    body = report_body(meter, data, now=now)
    for peer in cis_peers(meter.company, meter.manufacturer):
        enqueue(peer=peer, company_id=meter.company_id, code="2001", lane=meter.pk, body=body, now=now)


def report_body(meter: Meter | MeterNames, data: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The CIS gets the billing model it registered: "2" for a meter of model 3 would make it settle a second time."""
    forwarded = {name: decimal_text(data.get(name), missing="") for name in _FORWARDED}
    backfill: dict[str, str] = {
        day_text(day): decimal_text(index) for day, index in sorted(data["report"].backfill.items())
    }
    return {
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": meter.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "billingModel": meter.billing_model,
        "readNum": decimal_text(data["readNum"]),
        "addGas": backfill or "",
        **forwarded,
        "readDate": data["readDate"].strftime("%Y%m%d"),
        "readTime": data["readTime"].strftime("%H%M%S"),
        "valveState": data["valveState"],
        "companyCode": meter.company.code,
        "sdateTime": day_text(local(now).date()),
    }


class CisAnswerSerializer(WireSerializer):
    valvecontrol = ChoiceField(choices=("0", "1", "2", "3"), required=False)
    currentprice = NumberField(required=False)
    remainquantity = NumberField(signed=True, required=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What can be read of a CIS's answer: `control` "" and None where nothing can."""

    control: str
    price: Decimal | None
    remaining: Decimal | None


def keep_cis_answer(*, message: OutboundMessage, answer: dict[str, Any], now: datetime) -> None:
    """Keep what a CIS answered to a reading on the meter; what cannot be read of it is left out."""
    ended = Ended(pk=message.pk, lane=message.lane, state=message.state, created_at=message.created_at)
    keep_cis_answers(answers=[Answered(ended, answer)], now=now)


def keep_cis_answers(*, answers: Sequence[Answered], now: datetime) -> None:
    """The same for many at once; those of one meter in order."""
    by_meter: dict[int, list[Answered]] = defaultdict(list)
    for answered in sorted(answers, key=lambda answered: answered.message.pk):
        if answered.message.state == DeliveryState.DELIVERED:
            by_meter[answered.message.lane].append(answered)
    read = {lane: [(one.message, _read(one.answer)) for one in told] for lane, told in sorted(by_meter.items())}
    _lock_accounts([lane for lane, told in read.items() if any(kept.control in VALVE_WISHES for _, kept in told)])
    for turn in zip_longest(*read.values()):
        _keep([told for told in turn if told is not None], now=now)


def _lock_accounts(wishing: list[int]) -> None:
    """Of the meters that the CIS would have moved: first of all, and in the order in which settlement locks them."""
    if wishing:
        settled_by_cis = Account.objects.filter(meter__in=wishing, meter__billing_model=BillingModel.CIS)
        list(settled_by_cis.select_for_update(of=("self",)).order_by("is_heir", "meter_id"))


def _keep(answers: list[tuple[Ended, _Kept]], *, now: datetime) -> None:
    """One answer per meter, in order of their ids."""
    kept_now = _update_states(answers, now=now)
    for message, kept in answers:
        wish = VALVE_WISHES.get(kept.control)
        if wish is not None and message.lane in kept_now:
            _ask_valve(message.lane, wish, ordinary=kept.control == ORDINARY_CLOSING, now=now)


def _update_states(answers: list[tuple[Ended, _Kept]], *, now: datetime) -> set[int]:
    """The meters that take their answer: a message sent again late must not bring back what the CIS has corrected."""
    rows = [
        {
            "meter_id": message.lane,
            "asked": message.created_at,
            "control": kept.control,
            "price": kept.price,
            "remaining": kept.remaining,
        }
        for message, kept in answers
    ]
    values: dict[str, Any] = {"now": now, "rows": orjson.dumps(rows, default=str).decode()}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, values)
        return {pk for (pk,) in cursor.fetchall()}


# Locked in order of the meters, as everybody does who locks more than one.
_KEEP = """
    WITH told AS (
        SELECT s.meter_id, t.asked, t.control, t.price, t.remaining
        FROM meters_meterstate s
        JOIN json_to_recordset(%(rows)s::json) AS t(
            meter_id bigint, asked timestamptz, control text, price numeric, remaining numeric) USING (meter_id)
        ORDER BY s.meter_id
        FOR UPDATE OF s
    )
    UPDATE meters_meterstate s
    SET cis_asked_at = told.asked, cis_valve_control = told.control, cis_price = told.price,
        cis_remaining = told.remaining, cis_answered_at = %(now)s
    FROM told
    WHERE s.meter_id = told.meter_id AND (s.cis_asked_at IS NULL OR s.cis_asked_at <= told.asked)
    RETURNING s.meter_id
"""


def _read(answer: Mapping[str, Any]) -> _Kept:
    control, price, remaining = answer.get("valvecontrol"), answer.get("currentprice"), answer.get("remainquantity")
    return _read_texts(_text(control), _text(price), _text(remaining))


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=4096)
def _read_texts(control: str | None, price: str | None, remaining: str | None) -> _Kept:
    texts = {"valvecontrol": control, "currentprice": price, "remainquantity": remaining}
    data: dict[str, Any] = {}
    for name, text in texts.items():
        single = CisAnswerSerializer(data={name: text})
        if single.is_valid():
            data |= {name: single.validated_data.get(name)}
    return _Kept(data.get("valvecontrol") or "", data.get("currentprice"), data.get("remainquantity"))


def _ask_valve(meter_id: int, wish: ValveState, *, ordinary: bool, now: datetime) -> None:
    """The CIS settles this meter and closes or opens it by its answers (billing model 2, R11)."""
    meter = Meter.objects.select_related("company", "manufacturer", "state").get(pk=meter_id)
    if meter.billing_model != BillingModel.CIS or meter.status != MeterStatus.ACTIVE:
        return
    ask_valve(meter, wish, origin=Origin.CIS_ANSWER, ordinary=ordinary, now=now)
