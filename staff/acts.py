"""Putting an act of the staff on record, in the transaction that does it."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model

from protocol.models import Company
from staff.models import StaffAct

Facts = dict[str, Any]


def put_on_record(
    *,
    by: User,
    act: str,
    target: Model,
    company: Company | None = None,
    before: Facts | None = None,
    after: Facts | None = None,
    note: str = "",
) -> StaffAct:
    """Record that `by` did `act` ("valve.close", "peer.change") to `target`; the facts are plain JSON values.

    `company` says who may read it later. No secret may be among the facts.
    """
    return StaffAct.objects.create(
        by=by,
        act=act,
        target_model=target._meta.label_lower,
        target_pk=str(target.pk),
        target_text=str(target)[:200],
        company=company,
        before=before or {},
        after=after or {},
        note=note,
    )
