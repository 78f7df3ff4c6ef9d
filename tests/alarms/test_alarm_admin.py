"""Staff acknowledge and clear alarms, and keep the thresholds."""

import pytest
from django.utils import timezone

from alarms import admin
from alarms.models import Alarm, AlarmOccurrence, AlarmThresholds
from staff.models import StaffAct
from tests.admin.browsing import page, sign_in
from tests.admin.rows import ATTACK, NOW, make_alarm, make_meter, make_parties, make_person
from tests.admin.test_admin_actions import act, allow


@pytest.fixture
def rows(db):
    return make_parties()


@pytest.fixture
def chosen(rows):
    meter = make_meter(rows, 1)
    return [
        make_alarm(meter, type=f"0{number}", state=state)
        for number, state in enumerate(["open", "acknowledged", "cleared"], start=1)
    ]


def states():
    return list(Alarm.objects.order_by("type").values_list("state", flat=True))


def choose(client, action, alarms, **fields):
    data = {"action": action, "_selected_action": [alarm.pk for alarm in alarms], **fields}
    return client.post(page(Alarm, "changelist"), data, follow=True)


def test_acknowledge_takes_the_open_ones_and_says_who(client, chosen):
    person = make_person()
    before = timezone.now()
    response = choose(sign_in(client, language="en", person=person), "acknowledge_chosen", chosen)
    assert "1 alarm is acknowledged." in response.text
    assert "2 alarms are left as they are: their state does not allow this." in response.text
    assert states() == ["acknowledged", "acknowledged", "cleared"]
    kept = Alarm.objects.get(type="01")
    assert kept.acknowledged_by == person
    assert before <= kept.acknowledged_at <= timezone.now()


@pytest.mark.parametrize(("entered", "kept"), [({}, "by_staff"), ({"because": " 已换表 "}, "已换表")])
def test_clear_takes_what_is_not_cleared_with_its_reason(client, chosen, entered, kept):
    person = make_person()
    response = choose(sign_in(client, language="en", person=person), "clear_chosen", chosen, **entered)
    assert "2 alarms are cleared." in response.text
    assert "1 alarm is left as it is: its state does not allow this." in response.text
    assert states() == ["cleared"] * 3
    cleared = Alarm.objects.exclude(type="03")
    assert {(alarm.cleared_by, alarm.cleared_because) for alarm in cleared} == {(person, kept)}
    assert Alarm.objects.get(type="03").cleared_by is None


@pytest.mark.parametrize("action", ["acknowledge_chosen", "clear_chosen"])
@pytest.mark.parametrize("permissions", [["view_alarm"], ["view_alarm", "change_alarm"]])
def test_actions_need_the_permission_to_handle_alarms(client, chosen, action, permissions):
    person = make_person("reader", superuser=False)
    allow(person, *permissions)
    response = act(sign_in(client, person=person), Alarm, action, chosen)
    assert action not in response.text
    assert states() == ["open", "acknowledged", "cleared"]


def test_who_may_handle_alarms_may_act_but_not_edit(client, chosen):
    person = make_person("operator", superuser=False)
    allow(person, "view_alarm", "handle_alarm")
    sign_in(client, person=person)
    assert client.post(page(Alarm, "change", chosen[0].pk), {"state": "cleared"}).status_code == 403
    act(client, Alarm, "acknowledge_chosen", chosen)
    assert states() == ["acknowledged", "acknowledged", "cleared"]
    recorded = StaffAct.objects.get()
    assert (recorded.by, recorded.act, recorded.target_pk) == (person, "alarm.acknowledge", str(chosen[0].pk))
    assert (recorded.before, recorded.after) == ({"state": "open"}, {"state": "acknowledged"})
    assert recorded.company == chosen[0].meter.company


def test_filters_by_state_type_priority_and_company(client, rows, chosen):
    sign_in(client)
    for query, found in [
        ({"state__exact": "open"}, 1),
        ({"type__exact": "02"}, 1),
        ({"priority__exact": "1"}, 0),
        ({"priority_differs__exact": "1"}, 0),
        ({"meter__company__id__exact": rows.company.pk}, 3),
        ({"q": "U000001"}, 3),
        ({"q": "U00000"}, 0),
    ]:
        assert client.get(page(Alarm, "changelist"), query).context["cl"].result_count == found, query


def test_the_page_shows_the_latest_occurrences_of_this_alarm_only(client, chosen, monkeypatch):
    monkeypatch.setattr(admin, "SHOWN_OCCURRENCES", 3)
    AlarmOccurrence.objects.bulk_create(
        AlarmOccurrence(alarm=chosen[0], at=NOW, content=f"{ATTACK}第{number}次", priority=3, source="platform")
        for number in range(4)
    )
    content = sign_in(client).get(page(Alarm, "change", chosen[0].pk)).text
    assert [f"第{number}次" in content for number in range(4)] == [False, True, True, True]
    assert ATTACK not in content


def test_thresholds_can_be_set_and_left_to_the_settings(client, rows):
    sign_in(client)
    thresholds = AlarmThresholds.objects.get()
    address = page(AlarmThresholds, "change", thresholds.pk)
    assert client.post(address, {"silent_days": "7", "battery_volts": "3.25"}).status_code == 302
    thresholds.refresh_from_db()
    assert (thresholds.silent_days, str(thresholds.battery_volts)) == (7, "3.25")
    assert client.post(address, {"silent_days": "", "battery_volts": ""}).status_code == 302
    thresholds.refresh_from_db()
    assert (thresholds.silent_days, thresholds.battery_volts) == (None, None)
    for wrong in ({"silent_days": "0"}, {"battery_volts": "-1"}):
        assert client.post(address, wrong).status_code == 200
    assert client.post(page(AlarmThresholds, "delete", thresholds.pk), {"post": "yes"}).status_code == 302
    assert not AlarmThresholds.objects.exists()
