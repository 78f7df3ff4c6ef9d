"""Staff choose meters in the list, see the dry run, start it, watch it, stop it; within their companies."""

import pytest

from commands.bulk import ask_next, draft, start
from commands.models import BulkCommand, BulkRow, Command
from meters.models import Meter, MeterState, ValveState
from tests.admin.browsing import page, sign_in
from tests.admin.rows import NOW, make_meter, make_parties, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def meters():
    rows = make_parties()
    made = [make_meter(rows, number) for number in (1, 2, 3)]
    MeterState.objects.update(reported_at=NOW)
    return made


def choose(client, *chosen, query="", across="0", action="close_valves"):
    data = {"action": action, "_selected_action": [meter.pk for meter in chosen], "select_across": across}
    return client.post(page(Meter, "changelist") + query, data)


def test_a_dry_run_a_start_and_the_progress(client, meters):
    sign_in(client, language="en")
    response = choose(client, *meters[:2])
    bulk = BulkCommand.objects.get()
    assert response.url == page(BulkCommand, "change", bulk.pk)
    assert "of 2 chosen, 2 meters would be asked" in client.get(response.url).text
    assert not Command.objects.exists()
    for _ in range(2):
        assert client.post(f"{page(BulkCommand, 'changelist')}{bulk.pk}/start/").status_code == 302
    ask_next(bulk, now=NOW)
    progress = client.get(f"{page(BulkCommand, 'changelist')}{bulk.pk}/progress/").text
    assert "1 of 2 meters" in progress
    assert "hx-get" in progress
    assert Command.objects.count() == 1


def test_all_that_match_are_chosen_not_only_the_page(client, meters):
    sign_in(client)
    MeterState.objects.filter(meter=meters[2]).update(valve="closed")
    choose(client, meters[0], query="?state__valve__exact=open", across="1")
    assert set(BulkRow.objects.values_list("meter", flat=True)) == {meters[0].pk, meters[1].pk}
    assert BulkCommand.objects.get().selection == "?state__valve__exact=open"


def test_the_results_come_as_csv_without_formulas(client, meters):
    sign_in(client, language="en")
    Meter.objects.filter(pk=meters[0].pk).update(user_name="=1+1")
    choose(client, meters[0])
    response = client.get(f"{page(BulkCommand, 'changelist')}{BulkCommand.objects.get().pk}/results.csv")
    lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert lines == [
        "Meter number,User number,Name,Outcome,Command state",
        "000000000001,U000001,'=1+1,to be asked,",
    ]


@pytest.mark.parametrize("what", ["start", "cancel"])
def test_who_may_not_start_changes_nothing(client, meters, what):
    chief = make_person()
    bulk = draft(Meter.objects.all(), wish=ValveState.CLOSED, by=chief, selection="", now=NOW)
    sign_in(client, person=make_person("nobody", superuser=False))
    assert client.post(f"{page(BulkCommand, 'changelist')}{bulk.pk}/{what}/").status_code in (403, 404)
    choose(client, *meters)
    sign_in(client, person=chief)
    assert client.get(f"{page(BulkCommand, 'changelist')}{bulk.pk}/{what}/").status_code == 403
    bulk.refresh_from_db()
    assert (bulk.state, BulkCommand.objects.count()) == ("draft", 1)


def test_a_bulk_that_is_running_can_be_stopped(client, meters):
    chief = make_person()
    bulk = draft(Meter.objects.all(), wish=ValveState.CLOSED, by=chief, selection="", now=NOW)
    start(bulk, by=chief, now=NOW)
    sign_in(client, person=chief)
    client.post(f"{page(BulkCommand, 'changelist')}{bulk.pk}/cancel/")
    assert not ask_next(bulk, now=NOW)
    assert not Command.objects.exists()
