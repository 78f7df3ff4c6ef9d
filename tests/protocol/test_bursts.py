"""Statements that travel together: one transaction, whole or not at all, on whatever connection there is."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import DataError, IntegrityError, ProgrammingError, connection, transaction

from protocol.bursts import Statement, in_bursts
from protocol.models import Company

ADD = Statement("INSERT INTO protocol_company (code, name) VALUES (%(code)s, %(name)s)")
FIND = Statement("SELECT name, code || '%%' FROM protocol_company WHERE code = %(code)s")
ALL_TYPES = Statement(
    "SELECT %(a)s::int, %(b)s::numeric, %(c)s::timestamptz, %(d)s::date, %(e)s::bool, %(f)s::bytea, %(g)s::text,"
    " %(a)s::int"
)


def codes():
    return sorted(Company.objects.values_list("code", flat=True))


@pytest.fixture(params=["django's connection", "a connection of the pool", "a pool still closed", "unprepared"])
def anywhere(request, transactional_db, settings, monkeypatch):
    """Both are used in earnest: Django's own where a request has opened it, else one of the pool."""
    if request.param == "unprepared":
        monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "prepare_threshold", None)
    if request.param == "a pool still closed":
        connection.close()
        connection.close_pool()
    elif request.param == "django's connection":
        connection.ensure_connection()
    else:
        connection.close()


def add(code, *, then=None):
    with in_bursts() as burst:
        assert burst.ask(FIND, values={"code": code}) is None
        if then is not None:
            raise then
        burst.finish(ADD, values={"code": code, "name": "燃气"})


def test_what_is_finished_is_committed_and_can_be_asked_for(anywhere):
    add("1")
    add("2")
    with in_bursts() as burst:
        assert burst.ask(FIND, values={"code": "2"}) == ("燃气", "2%")
        burst.finish(ADD, values={"code": "3", "name": "x"})
    assert codes() == ["1", "2", "3"]


def test_what_was_not_finished_is_undone(anywhere):
    with in_bursts() as burst:
        burst.ask(ADD, values={"code": "1", "name": "x"})
    assert codes() == []


def test_an_exception_undoes_all_and_the_connection_serves_on(anywhere):
    with pytest.raises(LookupError), in_bursts() as burst:
        burst.ask(ADD, FIND, values={"code": "1", "name": "x"})
        raise LookupError
    assert codes() == []
    add("2")
    assert codes() == ["2"]


def test_an_error_of_the_database_is_djangos_and_undoes_all(anywhere):
    add("1")
    with pytest.raises(IntegrityError), in_bursts() as burst:
        burst.ask(ADD, values={"code": "2", "name": "x"})
        burst.finish(ADD, FIND, values={"code": "1", "name": "twice"})
    with pytest.raises(DataError), in_bursts() as burst:
        burst.finish(ADD, values={"code": "3", "name": "a\x00b"})
    assert codes() == ["1"]


def test_the_types_of_the_platform_arrive_as_they_left(anywhere):
    moment = datetime(2026, 3, 1, 12, 30, 0, 5, tzinfo=UTC)
    values = {
        "a": -5,
        "b": Decimal("1.5000"),
        "c": moment,
        "d": date(2026, 3, 1),
        "e": True,
        "f": b"\x00\xff",
        "g": None,
    }
    with in_bursts() as burst:
        row = burst.ask(ALL_TYPES, values=values)
    assert row == (-5, Decimal("1.5000"), moment, date(2026, 3, 1), True, b"\x00\xff", None, -5)


def test_statements_that_somebody_has_deallocated_are_prepared_anew(transactional_db):
    # All on Django's own connection: of the pool, the two might be different ones.
    connection.ensure_connection()
    add("1")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(ProgrammingError):
        add("2")
    add("3")
    assert codes() == ["1", "3"]


def test_it_may_be_the_first_statement_of_a_transaction(transactional_db):
    with transaction.atomic():
        add("1")
        add("2")
    with pytest.raises(LookupError), transaction.atomic():
        add("3")
        raise LookupError
    assert codes() == ["1", "2"]


def test_within_a_transaction_only_its_own_part_is_undone(db):
    with transaction.atomic():
        Company.objects.create(code="1", name="-")
        with pytest.raises(LookupError):
            add("2", then=LookupError())
        add("3")
        with pytest.raises(IntegrityError), in_bursts() as burst:
            burst.finish(ADD, values={"code": "3", "name": "twice"})
    assert codes() == ["1", "3"]
