"""What the database breaks off for another's sake is begun again, as a whole and not for ever."""

import threading

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from protocol.models import Company
from protocol.transactions import TRIES, atomically
from tests.readings.elsewhere import PATIENCE_SECONDS, done, elsewhere

pytestmark = pytest.mark.django_db(transaction=True)


def broken_off():
    error = OperationalError("deadlock detected")
    error.__cause__ = DeadlockDetected()
    return error


def failing(times, *, error=broken_off):
    """Work that writes a company and then fails so many times; how often it ran is its result."""
    runs = []

    def work():
        runs.append(Company.objects.create(code=str(len(runs)), name="-"))
        if len(runs) <= times:
            raise error()
        return len(runs)

    return work, runs


def companies():
    return list(Company.objects.values_list("code", flat=True))


def test_what_was_broken_off_is_begun_again_and_leaves_nothing_of_the_first_try():
    work, _ = failing(1)
    assert atomically(work)() == 2
    assert companies() == ["1"]


def test_it_is_not_tried_for_ever():
    work, runs = failing(TRIES)
    with pytest.raises(OperationalError):
        atomically(work)()
    assert len(runs) == TRIES
    assert companies() == []


@pytest.mark.parametrize("error", [OperationalError, ValueError])
def test_any_other_failure_is_final(error):
    work, runs = failing(1, error=error)
    with pytest.raises(error):
        atomically(work)()
    assert len(runs) == 1
    assert companies() == []


def test_only_the_outermost_transaction_is_begun_again():
    inner, inner_runs = failing(1)
    outer_runs = []

    @atomically
    def outer():
        outer_runs.append(1)
        return atomically(inner)()

    assert outer() == 2
    assert (len(outer_runs), len(inner_runs)) == (2, 2)
    with transaction.atomic(), pytest.raises(OperationalError):
        atomically(failing(1)[0])()


def test_two_that_lock_in_opposite_order_are_both_done():
    first, second = (Group.objects.create(name=name).pk for name in "ab")
    met = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def rename(order):
        tries = []

        @atomically
        def both():
            tries.append(1)
            for pk in order:
                with connection.cursor() as cursor:
                    cursor.execute("UPDATE auth_group SET name = name || '+' WHERE id = %s", [pk])
                if len(tries) == 1 and pk == order[0]:
                    met.wait()
            return len(tries)

        return both

    going = [elsewhere(rename(order)) for order in ((first, second), (second, first))]
    assert sorted(done(work) for work in going) == [1, 2]
    assert set(Group.objects.filter(pk__in=[first, second]).values_list("name", flat=True)) == {"a++", "b++"}
