"""What must hold of the books whatever has happened: no money appears, vanishes or lies where nobody looks for it."""

from decimal import Decimal

from django.db.models import F, QuerySet, Sum

from meters.models import Account, AccountEntry, BillingModel, EntryKind, Meter, MeterStatus
from readings.audit import Audit
from readings.models import Quality, Reading

ZERO = Decimal(0)


def prove_books(meters: QuerySet[Meter] | None = None) -> None:
    meters = Meter.objects.all() if meters is None else meters
    assert list(Audit().differences(meters)) == []
    _nothing_is_booked_on_an_ended_meter(meters)
    for first in meters.filter(origin=None):
        if first.billing_model == BillingModel.PLATFORM:
            _a_chain_keeps_all_its_money_in_its_last_meter(first)


def _nothing_is_booked_on_an_ended_meter(meters: QuerySet[Meter]) -> None:
    """No reading that came after the end; the closing reading is the last valid one."""
    assert not Reading.objects.filter(meter__in=meters, meter__ended_at__lt=F("received_at")).exists()
    for meter in meters.filter(status=MeterStatus.ENDED):
        last = Reading.objects.filter(meter=meter, quality=Quality.VALID).order_by("read_at", "index").last()
        assert last is not None
        assert last.index == meter.closing_index
        assert meter.account.closes_on is not None
        assert meter.account.in_arrears is False


def _a_chain_keeps_all_its_money_in_its_last_meter(first: Meter) -> None:
    chain = [first, *Meter.objects.filter(origin=first).order_by("pk")]
    assert [meter.replaces_id for meter in chain[1:]] == [meter.pk for meter in chain[:-1]]
    accounts = {account.meter_id: account for account in Account.objects.filter(meter__in=chain)}
    assert all(accounts[meter.pk].balance == 0 for meter in chain[:-1])
    settled = sum((account.settled_amount for account in accounts.values()), ZERO)
    assert accounts[chain[-1].pk].balance == _sum(chain, EntryKind.RECHARGE) - settled
    assert _sum(chain, EntryKind.CARRY_IN) == -_sum(chain, EntryKind.CARRY_OUT)


def _sum(chain: list[Meter], kind: EntryKind) -> Decimal:
    entries = AccountEntry.objects.filter(meter__in=chain, kind=kind)
    return entries.aggregate(sum=Sum("amount", default=ZERO))["sum"]
