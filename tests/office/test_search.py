"""One search box: a whole number leads to the meter, parts of name and address to a list; within one's companies."""

import pytest
from django.urls import reverse

from commands.models import Command
from meters.models import Meter
from meters.search import beginning_with, containing, numbered_exactly
from protocol.models import Company
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_meter, make_parties, make_person
from tests.staff.conftest import employ

pytestmark = pytest.mark.django_db


@pytest.fixture
def meters():
    rows = make_parties()
    made = [make_meter(rows, number) for number in (1, 2, 3)]
    Meter.objects.filter(pk=made[1].pk).update(user_name="欧阳修", address="阳光小区3栋201室", phone="13800001111")
    Meter.objects.filter(pk=made[2].pk).update(user_name="Smith", address="100% Street_1", phone="13800002222")
    return made


@pytest.mark.parametrize(
    "text", ["000000000002", "U000002", "13800001111", "D000002", " U000002 ", "阳光 201", "欧阳修"]
)
def test_what_is_found_once_leads_straight_to_the_meter(client, meters, text):
    response = sign_in(client).get(page(Meter, "changelist"), {"q": text})
    assert (response.status_code, response.url) == (302, page(Meter, "change", meters[1].pk))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("阳光", [1]),
        ("光小区3栋", [1]),
        ("欧阳 201室", [1]),
        ("smith", [2]),
        ("0% s", [2]),
        ("t_1", [2]),
        ("阳明", []),
        ("阳", [1]),
        ("修 3", [1]),
        ("明", []),
        ("", []),
    ],
)
def test_parts_of_name_and_address(meters, text, expected):
    assert list(containing(Meter.objects.order_by("pk"), text)) == [meters[number] for number in expected]


def test_the_beginning_of_a_number(meters):
    assert set(beginning_with(Meter.objects.all(), "U0000")) == set(meters)
    assert not beginning_with(Meter.objects.all(), "U00")
    assert not beginning_with(Meter.objects.all(), "%%%%")
    assert not numbered_exactly(Meter.objects.all(), "")


def in_the_header(client, term):
    return client.get(reverse("admin:search"), {"s": term, "extended": "1"}).text


def test_the_search_in_the_header_finds_meters_as_typed_and_pages(client, meters):
    sign_in(client, language="en")
    for term in ("阳光小区", "U000002", "D000002"):
        assert page(Meter, "change", meters[1].pk) in in_the_header(client, term), term
    assert page(Command, "changelist") in in_the_header(client, "comm")
    assert in_the_header(client, " ") == ""


def test_the_search_in_the_header_follows_a_change_of_scope_at_once(client, meters):
    person = employ("operator", "operator", companies=[Company.objects.get(code="10001")])
    sign_in(client, person=person)
    assert page(Meter, "change", meters[1].pk) in in_the_header(client, "U000002")
    person.scope.companies.set([Company.objects.get(code="idle")])
    assert page(Meter, "change", meters[1].pk) not in in_the_header(client, "U000002")


def test_who_may_see_no_meters_finds_none(client, meters):
    sign_in(client, person=make_person("other", superuser=False))
    assert page(Meter, "change", meters[1].pk) not in in_the_header(client, "U000002")
    assert client.get(reverse("admin:search")).status_code == 200
    client.logout()
    assert client.get(reverse("admin:search"), {"s": "U000002"}).status_code == 302
