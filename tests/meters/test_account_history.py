"""The history of an account (R11, R12): what the database refuses, whoever asks."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from meters.accounts import recharge
from meters.models import Account, AccountEntry, Meter


@pytest.fixture
def meter(priced_world):
    assert priced_world.register()["echoCode"] == "0000"
    meter = Meter.objects.get()
    recharge(meter, amount=Decimal(100), stream="s1", now=timezone.now())
    return meter


def everything():
    return list(AccountEntry.objects.values()), list(Account.objects.values())


@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        ("recharge", "0"),
        ("recharge", "-1"),
        ("settlement", "0"),
        ("settlement", "1"),
        ("correction", "0"),
        ("carry_in", "0"),
        ("carry_out", "0"),
        ("gift", "1"),
    ],
)
def test_an_amount_that_does_not_fit_its_kind_is_refused(meter, kind, amount):
    before = everything()
    with pytest.raises(IntegrityError, match="entry_amount_fits_kind"), transaction.atomic():
        AccountEntry.objects.create(
            meter=meter, kind=kind, amount=Decimal(amount), day=timezone.localdate(), reference="x"
        )
    assert everything() == before


def test_a_stream_is_booked_once_per_meter(meter):
    before = everything()
    with pytest.raises(IntegrityError, match="entry_recharge_once"), transaction.atomic():
        AccountEntry.objects.create(meter=meter, kind="recharge", amount=1, day=timezone.localdate(), reference="s1")
    assert everything() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meters_accountentry SET amount = 1",
        "UPDATE meters_accountentry SET amount = amount",
        "UPDATE meters_accountentry SET day = day WHERE false",
        "DELETE FROM meters_accountentry",
        "DELETE FROM meters_meter",
    ],
)
def test_no_entry_is_changed_or_deleted_by_any_statement(meter, statement):
    before = everything()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert everything() == before


@pytest.mark.parametrize("changes", ["balance = 5", "settled_amount = -1", "settled_volume = -1"])
def test_an_account_cannot_say_what_cannot_be(meter, changes):
    before = everything()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE meters_account SET {changes}")
    assert everything() == before
