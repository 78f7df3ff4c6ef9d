"""Whatever the database stops is told in words: on lists, on other pages of the staff, to programs."""

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils.translation import override

from meters.models import Meter
from protocol.models import Company
from readings.models import Reading
from staff import admin_base
from staff.patience import TookTooLong, at_most
from tests.admin.browsing import page

SORRY = "耗时过长"


def sleep(*args, **kwargs):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def limit():
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_a_limit_ends_with_its_block_and_undoes_what_was_begun():
    with at_most(5_000):
        with pytest.raises(TookTooLong), at_most(20):
            Company.objects.create(code="undone", name="undone")
            sleep()
        assert not Company.objects.filter(code="undone").exists()
        assert limit() == "5s"
        with at_most(3_000):
            assert limit() == "3s"
        assert limit() == "5s"


@pytest.mark.django_db(transaction=True)
def test_no_limit_outlives_its_transaction():
    before = limit()
    with at_most(3_000):
        assert limit() == "3s"
    assert limit() == before
    with pytest.raises(TookTooLong), at_most(30):
        sleep()
    assert limit() == before


def test_a_plain_list_that_takes_too_long_says_so_on_a_page(chief, monkeypatch):
    monkeypatch.setattr(admin_base, "LIST_PATIENCE_MS", 20)
    monkeypatch.setattr(admin_base.CappedPaginator, "page", sleep)
    monkeypatch.setattr(admin_base.LargeTableAdmin, "list_per_page", 1)
    response = chief.get(page(Reading, "changelist"))
    assert response.status_code == 503
    assert SORRY in response.text


def test_a_list_whose_count_takes_too_long_is_shown_without_it(chief, monkeypatch):
    monkeypatch.setattr(admin_base, "COUNT_PATIENCE_MS", 20)
    monkeypatch.setattr(admin_base.QuerySet, "count", sleep)
    response = chief.get(page(Meter, "changelist"))
    assert response.status_code == 200
    assert len(response.context["cl"].result_list) == 2
    counted = response.context["cl"].result_count
    assert isinstance(counted, admin_base.Uncounted)
    with override("zh-hans"):
        assert str(counted) in response.text


def stopped(*args, **kwargs):
    """As by a statement_timeout of the server's own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 20")
        sleep()


@pytest.mark.parametrize(("what", "on"), [("office.home.needs", "home"), ("office.admin.life_of", "meter")])
def test_any_page_that_the_database_stops_says_so(chief, monkeypatch, what, on):
    monkeypatch.setattr(what, stopped)
    url = reverse("admin:index") if on == "home" else page(Meter, "change", Meter.objects.earliest("pk").pk)
    response = chief.get(url)
    assert response.status_code == 503
    assert SORRY in response.text
