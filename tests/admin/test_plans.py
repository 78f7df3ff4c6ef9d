"""Pages read few rows, whoever looks: plans over a platform of some thousand meters, most of them of one company.

What is bounded is the rows that each statement's plan goes through, not its time.
"""

import json
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alarms.models import Alarm
from analysis.tables import TABLES
from benchmarks import admin_fill
from benchmarks.admin_pages import deep_cursor
from commands.models import Command
from meters.models import Meter
from protocol.models import InboundMessage, OutboundAttempt, OutboundMessage
from readings.models import Reading
from tests.admin.browsing import page, sign_in

pytestmark = pytest.mark.django_db
METERS, READINGS = 5_000, 10_000
# A page has 50 rows; a scan of any of the tables would go through at least twice as many as this.
FEW = 2_000


@pytest.fixture(scope="module")
def platform(django_db_setup, django_db_blocker):
    """Filled once, and rolled back after these tests."""
    with django_db_blocker.unblock(), transaction.atomic():
        count_from_one()
        admin_fill.fill_rows(connection.connection, meters=METERS, readings=READINGS, say=lambda text: None)
        # As VACUUM would: new rows wait beside a GIN index, and every search reads what waits.
        connection.connection.execute("SELECT gin_clean_pending_list('meter_pieces')")
        connection.connection.execute("ANALYZE")
        yield
        transaction.set_rollback(True)


def count_from_one() -> None:
    """The fill knows its rows by number. Unlike setval, this is undone with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE attidentity <> '' AND NOT relispartition AND relname !~ '^(django|auth_(perm|group))'"""
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" RESTART WITH 1')


def opened(person: str, url: str, **asked: str):
    """The page, and of each of its statements the rows that its plan went through."""
    client = sign_in(Client(), person=User.objects.get(username=person))
    with CaptureQueriesContext(connection) as queries:
        response = client.get(f"{url}?{urlencode(asked)}")
    assert response.status_code == 200
    return response, {query["sql"]: rows_read(query["sql"]) for query in queries if query["sql"].startswith("SELECT")}


def rows_read(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {sql}")
        plan = cursor.fetchone()[0]
    return _gone_through((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def _gone_through(node) -> int:
    """Of a node and those below: what scans gave and what they threw away."""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    scanned = node["Actual Rows"] + removed if "Scan" in node["Node Type"] else removed
    return int(scanned * node["Actual Loops"]) + sum(map(_gone_through, node.get("Plans", [])))


@pytest.fixture(autouse=True)
def _counting_little(monkeypatch):
    """The count may go through as many rows as it counts at most."""
    monkeypatch.setattr("staff.admin_base.COUNT_CAP", 100)


LISTS = [Meter, Reading, InboundMessage, OutboundMessage, OutboundAttempt, Command, Alarm]


@pytest.mark.parametrize("person", ["chief", "small", "new"])
@pytest.mark.parametrize("model", LISTS)
@pytest.mark.usefixtures("platform")
def test_a_plain_list_reads_little_for_everybody(model, person):
    response, read = opened(person, page(model, "changelist"))
    # The one meter of the small company has no alarm.
    some = person != "new" and (person, model) != ("small", Alarm)
    assert bool(response.context["cl"].result_list) == some
    assert max(read.values()) <= FEW


@pytest.mark.parametrize(
    ("text", "found"), [("人民", True), ("路", True), ("人民 新区", True), ("鹭岛", True), ("鹭", True), ("鹅", False)]
)
@pytest.mark.usefixtures("platform")
def test_a_search_reads_little_for_common_and_for_rare_text(monkeypatch, text, found):
    monkeypatch.setattr("meters.search.COMMON", METERS // 10)
    response, read = opened("chief", page(Meter, "changelist"), q=text)
    assert bool(response.context["cl"].result_list) == found
    assert max(read.values()) <= FEW


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (InboundMessage, {"code": "1015"}),
        (InboundMessage, {"code": "1001"}),
        (OutboundMessage, {"code": "1015"}),
        (OutboundMessage, {"code": "2003"}),
        (OutboundMessage, {"state__exact": "dead"}),
        (OutboundMessage, {"state__exact": "withdrawn"}),
        (InboundMessage, {"peer__id__exact": "3"}),
        (OutboundMessage, {"peer__id__exact": "3"}),
        (Reading, {"quality": "decrease"}),
        (Reading, {"quality": "jump"}),
        (Command, {"state__exact": "failed"}),
        (Command, {"origin__exact": "answer"}),
        (Command, {"origin__exact": "staff"}),
    ],
)
@pytest.mark.parametrize("person", ["chief", "county"])
@pytest.mark.usefixtures("platform")
def test_a_filter_for_what_is_rare_reads_little(model, asked, person):
    _response, read = opened(person, page(model, "changelist"), **asked)
    assert max(read.values()) <= FEW


@pytest.mark.parametrize("table", ["readings", "daily-usage", "meters"])
@pytest.mark.usefixtures("platform")
def test_the_price_of_another_company_is_nobodys_at_once(table):
    response, read = opened("county", f"/api/analysis/{table}", page_size="50", price="P11")
    assert response.json()["results"] == []
    assert not any(TABLES[table].model._meta.db_table in sql for sql in read)


@pytest.mark.parametrize("table", ["readings", "daily-usage"])
@pytest.mark.usefixtures("platform")
def test_a_deep_page_of_the_analysts_reads_little(table):
    _response, read = opened("chief", f"/api/analysis/{table}", page_size="50", cursor=deep_cursor(table))
    assert max(read.values()) <= FEW


# Not of tables with a BRIN index of their numbers, which within one transaction covers little.
@pytest.mark.parametrize("person", ["chief", "county"])
@pytest.mark.parametrize("model", [Meter, OutboundMessage, Command, Alarm])
@pytest.mark.usefixtures("platform")
def test_the_page_of_a_row_reads_little(model, person):
    (row, *_more) = opened(person, page(model, "changelist"))[0].context["cl"].result_list
    _response, read = opened(person, page(model, "change", row.pk))
    assert max(read.values()) <= FEW
