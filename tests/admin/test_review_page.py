"""The page of a reading: its neighbours, and the decision of whoever may take one."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from protocol.models import Company
from readings.models import Reading, ReadingReview
from staff.models import StaffAct
from tests.admin.browsing import sign_in
from tests.readings.books import make_meter, make_price, read
from tests.staff.conftest import employ


@pytest.fixture
def jumped(world, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 100
    make_price(world)
    meter = make_meter(world)
    read(meter, "2025-03-02 12:00:00", 10)
    read(meter, "2025-03-03 12:00:00", 400)
    read(meter, "2025-03-04 12:00:00", 15)
    return Reading.objects.get(index=400)


def person(name, *permissions, company):
    someone = employ(name, companies=[company])
    for permission in permissions:
        app, codename = permission.split(".")
        someone.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return someone


def page(reading):
    return reverse("admin:readings_reading_change", args=[reading.pk])


def decide(client, reading, decision, note="现场核实"):
    address = reverse("admin:readings_reading_review", args=[reading.pk])
    return client.post(address, {"decision": decision, "note": note}, follow=True)


def test_the_queue_holds_what_is_flagged_and_undecided(client, jumped):
    sign_in(client)
    queue = reverse("admin:readings_reading_changelist") + "?quality=undecided"
    assert [row.pk for row in client.get(queue).context["cl"].result_list] == [jumped.pk]
    decide(client, jumped, "rejected")
    assert list(client.get(queue).context["cl"].result_list) == []


def test_the_page_shows_the_neighbours_and_takes_a_decision_with_its_note(client, jumped):
    sign_in(
        client,
        person=person("inspector", "readings.view_reading", "staff.review_reading", company=jumped.meter.company),
    )
    shown = client.get(page(jumped))
    assert [str(row["reading"].index) for row in shown.context["neighbours"]] == ["10.0000", "400.0000", "15.0000"]
    assert [row["is_this"] for row in shown.context["neighbours"]] == [False, True, False]
    answer = decide(client, jumped, "accepted")
    assert answer.redirect_chain == [(page(jumped), 302)]
    jumped.refresh_from_db()
    assert (jumped.decision, jumped.quality) == ("accepted", "valid")
    review = ReadingReview.objects.get()
    assert (review.by.username, review.note) == ("inspector", "现场核实")
    assert "现场核实" in answer.text


def test_without_a_note_nothing_is_decided(client, jumped):
    sign_in(client)
    answer = decide(client, jumped, "accepted", note=" ")
    assert len(answer.context["messages"]) == 1
    jumped.refresh_from_db()
    assert (jumped.decision, jumped.quality) == ("", "jump")
    assert not ReadingReview.objects.exists()
    assert not StaffAct.objects.exists()


@pytest.mark.parametrize("who", ["without the permission", "of another company"])
def test_nobody_else_decides(client, jumped, who):
    if who == "of another company":
        other = Company.objects.create(code="other", name="other")
        someone = person("other", "readings.view_reading", "staff.review_reading", company=other)
    else:
        someone = person("reader", "readings.view_reading", company=jumped.meter.company)
        assert "review-form" not in sign_in(client, person=someone).get(page(jumped)).text
    sign_in(client, person=someone)
    assert decide(client, jumped, "accepted").status_code == 404
    jumped.refresh_from_db()
    assert (jumped.decision, jumped.quality) == ("", "jump")
    assert not ReadingReview.objects.exists()


def test_a_decision_comes_by_post_only(client, jumped):
    sign_in(client)
    address = reverse("admin:readings_reading_review", args=[jumped.pk])
    assert client.get(address, {"decision": "accepted", "note": "x"}).status_code == 405
    assert not ReadingReview.objects.exists()
