"""Lists stay quick however many rows there are: capped counts, one page, few queries, and a time limit."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from meters.models import AccountEntry, Meter
from protocol.models import InboundMessage, OutboundAttempt, OutboundMessage
from readings.models import DailyUsage, Reading
from staff import admin_base
from staff.admin_base import LargeTableAdmin
from tests.admin.browsing import EDITABLE, LARGE, LIMIT, READ_ONLY, SEARCHES, counts_of, page
from tests.admin.rows import add_meters


@pytest.mark.parametrize("model", EDITABLE + READ_ONLY)
def test_the_number_of_queries_does_not_grow_with_the_rows(chief, rows, model):
    with CaptureQueriesContext(connection) as few:
        chief.get(page(model, "changelist"))
    add_meters(rows, first=3, last=12)
    with CaptureQueriesContext(connection) as many:
        chief.get(page(model, "changelist"))
    # Five of them are about time limits.
    assert len(many) == len(few) <= 16


@pytest.mark.parametrize("model", LARGE)
def test_no_large_table_is_counted_without_a_limit(chief, model):
    for query in ["", "?_facets=True", "?all=", f"?q={SEARCHES[model]}&all="]:
        with CaptureQueriesContext(connection) as queries:
            chief.get(page(model, "changelist") + query)
        assert counts_of(model, queries)
        assert all(LIMIT in sql for sql in counts_of(model, queries))


@pytest.mark.parametrize("model", LARGE)
def test_a_list_reads_one_page_of_a_large_table_in_the_order_of_an_index(chief, model, monkeypatch):
    monkeypatch.setattr(LargeTableAdmin, "list_per_page", 1)
    with CaptureQueriesContext(connection) as queries:
        chief.get(page(model, "changelist"))
    table = f'FROM "{model._meta.db_table}"'
    statements = [q["sql"] for q in queries if table in q["sql"] and "COUNT(" not in q["sql"]]
    # Tables whose own key is not the id are listed by its columns.
    own = {
        OutboundMessage: "created_at",
        InboundMessage: "received_at",
        Reading: "read_at",
        DailyUsage: "meter_id",
        AccountEntry: "meter_id",
    }
    indexed = own.get(model, model._meta.pk.column)
    assert len(statements) == 1
    assert statements[0].endswith("LIMIT 1")
    assert f'ORDER BY "{model._meta.db_table}"."{indexed}" DESC' in statements[0]


@pytest.mark.parametrize("kind", ["recharge", "correction", "carry_in", "carry_out"])
def test_account_entries_of_a_rare_kind_are_listed_newest_first(chief, kind):
    with CaptureQueriesContext(connection) as queries:
        chief.get(page(AccountEntry, "changelist"), {"kind__exact": kind})
    lists = [q["sql"] for q in queries if 'FROM "meters_accountentry"' in q["sql"] and "COUNT(" not in q["sql"]]
    assert len(lists) == 1
    assert 'ORDER BY "meters_accountentry"."id" DESC' in lists[0]


def test_a_capped_count_says_that_there_are_more(chief, monkeypatch):
    monkeypatch.setattr(admin_base, "COUNT_CAP", 3)
    response = chief.get(page(Reading, "changelist"))
    assert response.context["cl"].result_count == 3
    assert "3+" in response.text


def test_a_list_that_takes_too_long_gives_up_and_says_so(chief, monkeypatch):
    def sleep(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(admin_base, "LIST_PATIENCE_MS", 20)
    monkeypatch.setattr(admin_base.CappedPaginator, "count", property(sleep))
    response = chief.get(page(Reading, "changelist"), {"quality": "jump"})
    assert response.status_code == 302
    assert response.url == page(Reading, "changelist")
    monkeypatch.undo()
    assert "耗时过长" in chief.get(response.url).text


def test_bodies_are_not_loaded_for_a_list(chief):
    for model, text in [(InboundMessage, "body"), (OutboundMessage, "body"), (OutboundAttempt, "answer")]:
        with CaptureQueriesContext(connection) as queries:
            chief.get(page(model, "changelist"))
        assert not any(f'"{text}"' in query["sql"] for query in queries)


def test_a_whole_meter_number_is_looked_up_and_a_part_is_searched_for(chief, rows):
    whole = chief.get(page(Meter, "changelist"), {"q": "000000000002", "all": ""}).context["cl"]
    part = chief.get(page(Meter, "changelist"), {"q": "人民路"}).context["cl"]
    assert [meter.user_no for meter in whole.result_list] == ["U000002"]
    assert part.result_count == 2
