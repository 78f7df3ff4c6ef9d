"""Telling the CIS of a reading (2001) and keeping its answer (R11)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils import timezone

from commands.models import Origin
from commands.queue import ask_valve
from meters.models import Account, BillingModel, Meter, MeterState, MeterStatus, ValveState
from protocol.fields import ChoiceField, NumberField, WireSerializer
from protocol.models import DeliveryState, OutboundMessage
from protocol.outbox import cis_peers, enqueue
from protocol.wire import day_text, decimal_text

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
        enqueue(peer=peer, code="2001", lane=meter.pk, body=body, now=now)


def report_body(meter: Meter, data: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
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
        "sdateTime": day_text(timezone.localdate(now)),
    }


class CisAnswerSerializer(WireSerializer):
    valvecontrol = ChoiceField(choices=("0", "1", "2", "3"), required=False)
    currentprice = NumberField(required=False)
    remainquantity = NumberField(signed=True, required=False)


def keep_cis_answer(*, message: OutboundMessage, answer: dict[str, Any], now: datetime) -> None:
    """Keep what a CIS answered to a reading on the meter; what cannot be read of it is left out."""
    if message.state != DeliveryState.DELIVERED:
        return
    texts = {key: str(value) if isinstance(value, int | float) else value for key, value in answer.items()}
    kept: dict[str, Any] = {"valvecontrol": "", "currentprice": None, "remainquantity": None}
    for name in kept:
        single = CisAnswerSerializer(data={name: texts.get(name)})
        if single.is_valid():
            kept[name] = single.validated_data.get(name, kept[name])
    price: Decimal | None = kept["currentprice"]
    wish = VALVE_WISHES.get(kept["valvecontrol"])
    if wish is not None:
        # Whoever locks a meter's account does so before anything else of the meter; the command below needs it.
        settled_by_cis = Account.objects.filter(meter=message.lane, meter__billing_model=BillingModel.CIS)
        settled_by_cis.select_for_update(of=("self",)).first()
    # A message that was sent again late must not bring back what the CIS has since corrected.
    not_newer = Q(cis_asked_at__isnull=True) | Q(cis_asked_at__lte=message.created_at)
    kept_now = MeterState.objects.filter(not_newer, meter_id=message.lane).update(
        cis_asked_at=message.created_at,
        cis_valve_control=kept["valvecontrol"],
        cis_price=price,
        cis_remaining=kept["remainquantity"],
        cis_answered_at=now,
    )
    if kept_now and wish is not None:
        ordinary = kept["valvecontrol"] == ORDINARY_CLOSING
        _ask_valve(message.lane, wish, ordinary=ordinary, now=now)


def _ask_valve(meter_id: int, wish: ValveState, *, ordinary: bool, now: datetime) -> None:
    """The CIS settles this meter and closes or opens it by its answers (billing model 2, R11)."""
    meter = Meter.objects.select_related("company", "manufacturer", "state").get(pk=meter_id)
    if meter.billing_model != BillingModel.CIS or meter.status != MeterStatus.ACTIVE:
        return
    ask_valve(meter, wish, origin=Origin.CIS_ANSWER, ordinary=ordinary, now=now)
