"""The analysts' API: who may read, whose rows, pages in JSON, streams of CSV, clear errors."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from analysis import api
from analysis.access import make_token
from analysis.tables import TABLES
from protocol.models import Company
from readings.models import Quality
from staff.models import StaffAct
from tests.admin.rows import Rows, make_everything, make_meter, make_readings
from tests.analysis.people import analyst

NAMES = list(TABLES)


@pytest.fixture
def rows(db) -> Rows:
    return make_everything()


def get(user, table, **query):
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.get(f"/api/analysis/{table}", query)


def csv_of(response):
    return b"".join(response.streaming_content).decode().splitlines()


@pytest.mark.parametrize("table", NAMES)
def test_without_a_login_nothing_is_read(rows, table):
    response = get(None, table)
    assert response.status_code == 401
    assert response.json()["error"] == "not_authenticated"
    assert get(None, table, format="csv").status_code == 401


@pytest.mark.parametrize("table", NAMES)
def test_staff_without_the_permission_read_nothing(rows, table):
    response = get(analyst(export=False), table)
    assert (response.status_code, response.json()["error"]) == (403, "permission_denied")


@pytest.mark.parametrize("table", NAMES)
def test_others_companies_do_not_exist_for_an_analyst(rows, table):
    idle = analyst(companies=["idle"])
    assert get(idle, table).json() == {"next": None, "results": []}
    assert get(idle, table, company="10001").json() == {"next": None, "results": []}
    assert len(csv_of(get(idle, table, format="csv"))) == 1
    own = analyst("own", companies=["10001"])
    results = get(own, table).json()["results"]
    assert results
    assert {row["company"] for row in results} == {"10001"}
    assert len(csv_of(get(own, table, format="csv"))) == 1 + len(results)


def test_a_person_without_companies_sees_none(rows):
    nobody = analyst(companies=[])
    assert get(nobody, "readings").json()["results"] == []


def test_a_token_signs_in_until_it_is_deleted_or_its_person_leaves(rows):
    person = analyst()
    token, text = make_token(user=person, name="notebook", by=person)
    assert text not in json.dumps([token.digest, token.name])
    signed = {"headers": {"Authorization": f"Token {text}"}}
    assert Client().get("/api/analysis/meters", **signed).status_code == 200
    person.is_active = False
    person.save()
    assert Client().get("/api/analysis/meters", **signed).status_code == 401
    person.is_active = True
    person.is_staff = False
    person.save()
    assert Client().get("/api/analysis/meters", **signed).status_code == 403
    person.is_staff = True
    person.save()
    token.delete()
    response = Client().get("/api/analysis/meters", **signed)
    assert (response.status_code, response.json()["error"]) == (401, "authentication_failed")


def test_what_a_row_looks_like(rows):
    results = get(analyst(), "daily-usage", meter="000000000001", tier="2").json()["results"]
    assert results == [
        {
            "company": "10001",
            "manufacturer": "0030",
            "meter_no": "000000000001",
            "user_no": "U000001",
            "device_id": "D000001",
            "day": "2026-01-31",
            "tier": 2,
            "volume": "10.0000",
            "unit_price": "2.0000",
            "amount": "20.0000",
        }
    ]
    reading = get(analyst("b"), "readings", quality="jump").json()["results"][0]
    assert (reading["quality"], reading["read_at"], reading["index"]) == ("jump", "2026-02-01T16:00:00+08:00", "4.0000")
    assert reading["temperature"] is None


@pytest.mark.parametrize("table", NAMES)
def test_pages_hold_every_row_once(rows, table):
    person, client = analyst(), Client()
    client.force_login(person)
    whole = client.get(f"/api/analysis/{table}").json()["results"]
    seen, url = [], f"/api/analysis/{table}?page_size=1"
    while url:
        answer = client.get(url).json()
        seen += answer["results"]
        url = answer["next"]
    assert seen == whole


def test_a_page_costs_few_queries_and_no_count(rows):
    client = Client()
    client.force_login(analyst())
    client.get("/api/analysis/readings")
    with CaptureQueriesContext(connection) as few:
        client.get("/api/analysis/readings", {"company": "10001", "meter": "000000000001"})
    make_readings(make_meter(rows, 9))
    with CaptureQueriesContext(connection) as many:
        client.get("/api/analysis/readings", {"company": "10001", "meter": "000000000001"})
    assert len(few) == len(many) <= 16
    assert not any("COUNT(" in query["sql"] for query in many)


def test_csv_has_its_options_and_is_on_record(rows):
    person = analyst()
    response = get(person, "readings", format="csv", bom="1", lang="zh-hans", times="local", quality="flagged")
    content = b"".join(response.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf" + "公司编码,".encode())
    assert content.count(b"\n") == 1 + 2 * (len(Quality) - 1)
    assert response["Content-Disposition"] == 'attachment; filename="readings.csv"'
    act = StaffAct.objects.get(act="export.stream")
    assert act.by == person
    assert act.after == {"table": "readings", "filters": {"quality": "flagged"}, "by": "session"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"compny": "1"}, "compny"),
        ({"from": "yesterday"}, "from"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "5001"}, "page_size"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WyIxIl0"}, "cursor"),
        ({"format": "xml"}, "format"),
        ({"format": "csv", "lang": "fr"}, "lang"),
    ],
)
def test_errors_name_the_field(rows, query, field):
    response = get(analyst(), "readings", **query)
    assert response.status_code == 400
    answer = response.json()
    assert answer["error"] == "invalid"
    assert list(answer["fields"]) == [field]
    assert answer["detail"].startswith(f"{field}: ")


def test_what_takes_too_long_says_so(rows, monkeypatch):
    def sleep(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(api, "PATIENCE_MS", 20)
    monkeypatch.setattr(api, "page_of", sleep)
    response = get(analyst(), "readings")
    assert (response.status_code, response.json()["error"]) == (400, "too_broad")


def test_it_is_read_only(rows):
    client = Client()
    client.force_login(analyst())
    for method in (client.post, client.put, client.patch, client.delete):
        assert method("/api/analysis/meters").status_code in (403, 405)
    assert Company.objects.filter(code="10001").exists()


def test_paths_that_do_not_exist_answer_as_before(rows):
    response = get(analyst(), "nothing")
    assert (response.status_code, response.json()["echoCode"]) == (404, "9999")
