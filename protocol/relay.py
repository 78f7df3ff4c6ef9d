"""Passing on to a head-end what a CIS told us of its meters (R1): the same message, our own signature and serial."""

from typing import Any

from protocol.endpoint import Call
from protocol.outbox import enqueue, headend_of


def relay(call: Call, *, code: str, lane: int, **filled: Any) -> None:
    """Enqueue the message of `call` for the manufacturer's head-end, in the running transaction.

    `lane` orders it among the messages of its meter. `filled` are values that the platform has added or decided.
    """
    headend = headend_of(call.manufacturer, call.company)
    if headend is None:
        return
    body = {**call.message, "companyCode": call.company.code, **filled}
    body.pop("serialNo", None)
    enqueue(peer=headend, company_id=call.company.pk, code=code, lane=lane, body=body, now=call.now)
