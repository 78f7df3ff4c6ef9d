"""Recharges of billing model 3: credited exactly once, and the history adds up (R11, R12)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from meters.accounts import NotKeptHere, RechargeRepeated, recharge
from meters.models import Account, AccountEntry, Meter, MeterState
from tests.world import COMPANY, FACTOR, build_world

METER = "188011110128"


def credit(meter, amount="100", stream="s1"):
    return recharge(meter, amount=Decimal(amount), stream=stream, now=timezone.now())


def test_a_recharge_is_credited_and_shown(priced_world):
    priced_world.register()
    meter = Meter.objects.get()
    credit(meter)
    credit(meter, "20.5", "s2")
    account = Account.objects.get()
    assert (account.credited, account.balance) == (Decimal("120.5"), Decimal("120.5"))
    detail = priced_world.cis.send("1014", companyCode=COMPANY, factorNo=FACTOR, userNo=METER, meterNo=METER)
    shown = [detail["echoMsg"][key] for key in ("sumRechargeAomunt", "lastRechargeAmount", "rechargeCount", "balance")]
    assert shown == ["120.5", "20.5", "2", "120.5"]
    entries = AccountEntry.objects.order_by("id").values_list("kind", "amount", "reference")
    assert list(entries) == [("recharge", Decimal(100), "s1"), ("recharge", Decimal("20.5"), "s2")]


def test_the_same_stream_again_is_refused_and_changes_nothing(priced_world):
    priced_world.register()
    meter = Meter.objects.get()
    credit(meter)
    with pytest.raises(RechargeRepeated) as error:
        credit(meter, "50")
    assert error.value.message == "充值流水 s1 重复"
    assert Account.objects.get().balance == 100
    assert MeterState.objects.get().recharge_count == 1


@pytest.mark.parametrize("model", ["1", "2"])
def test_the_money_of_other_billing_models_is_not_kept_here(priced_world, model):
    priced_world.register(billingModel=model)
    with pytest.raises(NotKeptHere):
        credit(Meter.objects.get())
    assert not AccountEntry.objects.exists()
    assert Account.objects.get().credited == 0


@pytest.mark.parametrize(
    ("pay_mode", "overdraft", "paid", "in_arrears"),
    [
        ("1", "0", "14", True),
        ("1", "0", "14.0001", False),
        ("1", "5", "9", True),
        ("1", "5", "9.0001", False),
        ("2", "0", "1", False),
    ],
)
def test_arrears_begin_where_balance_and_overdraft_are_used_up(priced_world, pay_mode, overdraft, paid, in_arrears):
    priced_world.register(payModel=pay_mode, overdraft=overdraft)
    credit(Meter.objects.get(), paid)
    priced_world.report(timezone.now() - timedelta(days=1), "10")
    call_command("settle", through=timezone.localdate())
    assert Account.objects.get().in_arrears is in_arrears


def test_a_recharge_ends_arrears(priced_world):
    priced_world.register()
    priced_world.report(timezone.now() - timedelta(days=1), "10")
    call_command("settle", through=timezone.localdate())
    meter = Meter.objects.get()
    assert Account.objects.get().in_arrears is True
    assert credit(meter, "14", "s1").in_arrears is True
    assert credit(meter, "0.01", "s2").in_arrears is False


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_history_cannot_be_changed(priced_world, change):
    priced_world.register()
    credit(Meter.objects.get())
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        if change == "update":
            AccountEntry.objects.update(amount=1)
        else:
            AccountEntry.objects.all().delete()
    assert AccountEntry.objects.get().amount == 100


@pytest.mark.django_db(transaction=True)
def test_one_stream_from_16_connections_is_credited_once():
    world = build_world()
    world.create_price()
    world.register()
    meter = Meter.objects.get()

    def try_credit(_):
        try:
            credit(meter)
        except RechargeRepeated:
            return "repeated"
        finally:
            connection.close()
        return "credited"

    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(try_credit, range(16)))
    assert sorted(results) == ["credited"] + ["repeated"] * 15
    assert Account.objects.get().balance == 100
