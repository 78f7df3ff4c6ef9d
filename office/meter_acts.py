"""What staff do to one meter: the same services as the messages, the head-end told, the act on record, once."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from commands.kinds import KINDS, VALVE_CODES
from commands.models import Command, CommandKind, Origin
from commands.queue import Request, submit
from meters.models import Account, Meter, MeterType, ValveState
from protocol.outbox import enqueue, headend_of
from protocol.transactions import atomically
from protocol.wire import compact_time, decimal_text
from readings.closing import deregister_meter, lock_chain
from readings.figures import current_price
from readings.replacement import Replacement, replace_meter
from readings.repricing import change_price
from staff.acts import Fact, name_facts, put_on_record
from staff.once import spend

Data = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One confirmed act: what the form said, who confirmed it, when; `key` is the token of the page."""

    data: Data
    by: User
    now: datetime
    key: uuid.UUID


def _submit(meter: Meter, kind: CommandKind, context: Data, asked: Asked) -> Command:
    request = Request(
        kind=kind, payload=KINDS[kind].parse({"data": context}), origin=Origin.STAFF, requested_by=asked.by
    )
    return submit(meter, request, now=asked.now)


def open_valve(meter: Meter, asked: Asked) -> None:
    _submit(meter, CommandKind.VALVE, {"valveSet": VALVE_CODES[ValveState.OPEN]}, asked)


def close_valve(meter: Meter, asked: Asked) -> None:
    _submit(meter, CommandKind.VALVE, {"valveSet": VALVE_CODES[ValveState.CLOSED]}, asked)


def recharge(meter: Meter, asked: Asked) -> None:
    """The page's own token is the stream: the account and the queue refuse it a second time too (R12)."""
    context = {"rechargeAmount": decimal_text(asked.data["amount"]), "rechargeStream": asked.key.hex}
    _submit(meter, CommandKind.RECHARGE, context, asked)


def reprice(meter: Meter, asked: Asked) -> None:
    price = asked.data["price"]
    change_price(meter, price=price, now=asked.now)
    _tell_headend(meter, "1008", asked.now, newPriceCode=price.code)


def replace(meter: Meter, asked: Asked) -> None:
    data = asked.data
    replacement = Replacement(
        meter_no=data["meter_no"],
        meter_type=data["meter_type"],
        comm_no=data["comm_no"],
        closing_index=data["closing_index"],
        opening_index=data["opening_index"],
    )
    new = replace_meter(meter, replacement, now=asked.now)
    _tell_headend(
        meter,
        "1009",
        asked.now,
        lane=new.pk,
        newMeterType=data["meter_type"],
        newMeterNo=data["meter_no"],
        newCommNo=data["comm_no"],
        oldNum=decimal_text(data["closing_index"]),
        newNum=decimal_text(data["opening_index"]),
    )


def deregister(meter: Meter, asked: Asked) -> None:
    index, reason = asked.data["closing_index"], asked.data["reason"]
    deregister_meter(meter, closing_index=index, reason=reason, now=asked.now)
    _tell_headend(meter, "1002", asked.now, initNum=decimal_text(index), reason=reason)


def _tell_headend(meter: Meter, code: str, now: datetime, *, lane: int | None = None, **fields: str) -> None:
    """What a CIS would have said and the platform relayed: the head-end hears of it from nobody else."""
    headend = headend_of(meter.manufacturer, meter.company)
    if headend is None:
        return
    body = {
        "userNo": meter.user_no,
        "deviceId": meter.device_id,
        "factorNo": meter.manufacturer.factor_no,
        "meterNo": meter.meter_no,
        "companyCode": meter.company.code,
        "sdateTime": compact_time(now),
        **fields,
    }
    enqueue(peer=headend, company_id=meter.company_id, code=code, lane=lane or meter.pk, body=body, now=now)


def facts_of(meter_id: int) -> Data:
    """What an act may change, as plain JSON, for the record."""
    meter = Meter.objects.select_related("state").get(pk=meter_id)
    account = Account.objects.get(meter=meter)
    return {
        "status": meter.status,
        "valve": meter.state.valve,
        "balance": str(account.balance),
        "price": current_price(meter).code,
        "closing_index": None if meter.closing_index is None else str(meter.closing_index),
        "replaced_by": str(meter.replaced_by) if hasattr(meter, "replaced_by") else None,
        "last_command": Command.objects.filter(meter=meter).order_by("-pk").values_list("pk", flat=True).first(),
    }


Doing = Callable[[Meter, Asked], None]
ACTS: Final[dict[str, Doing]] = {
    "open": open_valve,
    "close": close_valve,
    "recharge": recharge,
    "price": reprice,
    "replace": replace,
    "deregister": deregister,
}


@atomically
def perform(act: str, meter: Meter, *, token: str, data: Data, by: User, now: datetime) -> None:
    """Do `act` to `meter` and put it on record, in one transaction.

    Raises PageSent, PageInvalid, and what the service raises (ProtocolError): then nothing has changed.
    """
    key = spend(token, user=by, purpose=purpose_of(act, meter), now=now)
    # The meter is locked first, so that what the record calls "before" is what the act found.
    lock_chain(meter)
    before = facts_of(meter.pk)
    ACTS[act](meter, Asked(data=data, by=by, now=now, key=key))
    after = facts_of(meter.pk)
    told = {name: _plain(value) for name, value in data.items() if name != "note"}
    put_on_record(
        by=by,
        act=f"meter.{act}",
        target=meter,
        company=meter.company,
        before=before,
        after={**after, **({"asked": told} if told else {})},
        note=data.get("note", "")[:200],
    )


name_facts(
    {
        "meter.valve": Fact(_("valve"), dict(ValveState.choices)),
        "meter.balance": Fact(_("balance (CNY)")),
        "meter.price": Fact(_("price")),
        "meter.replaced_by": Fact(_("replaced by")),
        "last_command": Fact(_("last command")),
        "asked": Fact(_("entered")),
        "amount": Fact(_("amount (CNY)")),
        "price": Fact(_("price")),
        "reason": Fact(_("reason")),
        "meter_no": Fact(_("number of the new meter (12 digits)")),
        "meter_type": Fact(_("type of the new meter"), dict(MeterType.choices)),
        "comm_no": Fact(_("communication number of the new meter")),
        "closing_index": Fact(_("closing index (m³)")),
        "opening_index": Fact(_("opening index of the new meter (m³)")),
    }
)


def purpose_of(act: str, meter: Meter) -> str:
    return f"{act}:{meter.pk}"


def _plain(value: Any) -> str:
    return decimal_text(value) if isinstance(value, Decimal) else str(value)
