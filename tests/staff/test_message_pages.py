"""Outbound messages: sent again and withdrawn, chosen ones or all that match, the count first, each on record."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from protocol.models import OutboundAttempt, OutboundLane, OutboundMessage
from staff import message_acts
from staff.models import StaffAct
from tests.admin.browsing import page, sign_in
from tests.admin.rows import make_outbound, make_parties, make_person
from tests.staff.conftest import employ

LIST = page(OutboundMessage, "changelist")
STATES = ["pending", "delivered", "rejected", "dead", "withdrawn"]


@pytest.fixture
def rows(db):
    return make_parties()


@pytest.fixture
def five(rows):
    """One of each state; the pending one has been tried."""
    made = [make_outbound(rows, n, lane=n, state=state) for n, state in enumerate(STATES)]
    OutboundMessage.objects.filter(pk=made[0].pk).update(claimed_at=timezone.now())
    return made


@pytest.fixture
def english(client, db):
    return sign_in(client, language="en")


def ask(client, action, chosen, *, query="", **more):
    data = {"action": action, "_selected_action": [row.pk for row in chosen], "select_across": "0", **more}
    return client.post(LIST + query, data)


def confirm(client, page_shown, *, query="", **changes):
    """Press the button of the page: exactly its fields."""
    fields: dict[str, object] = {"post": "yes"}
    for name, value in page_shown.context["hidden"]:
        fields.setdefault(name, []).append(str(value)) if name != "post" else None
    return client.post(LIST + query, {**fields, **changes}, follow=True)


def states():
    return list(OutboundMessage.objects.order_by("pk").values_list("state", flat=True))


def records():
    acts = StaffAct.objects.order_by("pk")
    return [(act.act, act.target_text, act.company.code, act.before, act.after) for act in acts]


def test_the_count_and_what_is_skipped_are_said_first_and_nothing_is_done(english, five):
    OutboundMessage.objects.filter(pk=five[2].pk).update(once_only=True)
    shown = ask(english, "send_again", five)
    plan = shown.context["plan"]
    assert (plan.count, plan.more) == (1, False)
    assert {str(why): count for why, count in plan.skipped} == {
        "already delivered": 1,
        "still waiting to be sent": 1,
        "withdrawn": 1,
        "once only: ask again with a new command instead": 1,
    }
    assert "It is done to 1 message." in shown.text
    assert states() == STATES
    assert not StaffAct.objects.exists()


def test_send_again_takes_the_chosen_dead_and_rejected_ones_once(english, five, rows):
    left_alone = make_outbound(rows, 9, lane=9, state="dead")
    shown = ask(english, "send_again", five)
    assert "2 messages will be sent again." in confirm(english, shown).text
    assert states() == ["pending", "delivered", "pending", "pending", "withdrawn", "dead"]
    for message in OutboundMessage.objects.filter(pk__in=[five[2].pk, five[3].pk]):
        assert (message.tries, message.finished_at, message.stuck_at) == (0, None, None)
        assert OutboundLane.objects.get(lane=message.lane).due_at <= timezone.now()
    left_alone.refresh_from_db()
    assert left_alone.tries == 9
    after = {"state": "pending", "filter": ""}
    expected = [
        ("outbound.send_again", "2001 out-2", "10001", {"state": "rejected"}, after),
        ("outbound.send_again", "2001 out-3", "10001", {"state": "dead"}, after),
    ]
    assert records() == expected
    assert "This page had been sent before: it was done once." in confirm(english, shown).text
    OutboundMessage.objects.filter(pk=five[3].pk).update(state="dead", stuck_at=timezone.now())
    assert "This page had been sent before: it was done once." in confirm(english, shown).text
    assert states()[3] == "dead"
    assert records() == expected


def test_all_that_match_the_filter_go_in_batches_with_the_filter_on_record(english, rows, monkeypatch):
    monkeypatch.setattr(message_acts, "ONE_BY_ONE", 2)
    monkeypatch.setattr(message_acts, "MOST", 3)
    for number in range(5):
        make_outbound(rows, number, lane=number, state="dead")
    make_outbound(rows, 7, lane=7, state="rejected")
    query = "?state__exact=dead&code=2001"
    shown = ask(english, "send_again", OutboundMessage.objects.all()[:1], query=query, select_across="1")
    assert (shown.context["plan"].count, shown.context["plan"].more) == (3, True)
    assert "All that match the filter of the list." in shown.text
    assert "3 messages will be sent again." in confirm(english, shown, query=query).text
    assert states() == ["pending"] * 3 + ["dead", "dead", "rejected"]
    facts = {"messages": 3, "filter": query}
    assert records() == [("outbound.send_again", str(rows.peer), "10001", {}, facts)]


def test_when_more_have_come_up_since_the_count_they_are_counted_again(english, rows):
    make_outbound(rows, 1, lane=1, state="dead")
    query = "?state__exact=dead"
    shown = ask(english, "send_again", OutboundMessage.objects.all()[:1], query=query, select_across="1")
    make_outbound(rows, 2, lane=2, state="dead")
    again = confirm(english, shown, query=query)
    assert again.context["plan"].count == 2
    assert states() == ["dead", "dead"]


def test_withdraw_takes_the_stuck_and_the_untouched_for_good(english, five, rows):
    fresh = make_outbound(rows, 8, lane=8, state="pending")
    command = make_outbound(rows, 9, lane=9, state="pending")
    OutboundMessage.objects.filter(pk=command.pk).update(once_only=True)
    shown = ask(english, "withdraw", [*five, fresh, command])
    assert shown.context["plan"].count == 3
    assert {str(why) for why, _count in shown.context["plan"].skipped} == {
        "already delivered",
        "already withdrawn",
        "may have gone out",
        "a command: cancel the command itself",
    }
    assert "3 messages are withdrawn." in confirm(english, shown).text
    assert states() == ["pending", "delivered", "withdrawn", "withdrawn", "withdrawn", "withdrawn", "pending"]
    listed = english.get(LIST, {"state__exact": "withdrawn"}).context["cl"].queryset
    assert {row.pk for row in listed} == {five[2].pk, five[3].pk, five[4].pk, fresh.pk}
    assert [record[0:2] for record in records()] == [
        ("outbound.withdraw", f"2001 out-{number}") for number in (2, 3, 8)
    ]


@pytest.mark.parametrize("action", ["send_again", "withdraw"])
def test_each_needs_its_permission(client, five, action):
    person = make_person("reader", superuser=False)
    names = [
        "view_outboundmessage",
        "change_outboundmessage",
        {"send_again": "withdraw_message"}.get(action, "send_again"),
    ]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    sign_in(client, person=person, language="en")
    response = ask(client, action, five, post="yes", counted="9")
    assert response.status_code == 302
    assert states() == STATES
    assert not StaffAct.objects.exists()


def test_all_that_match_are_those_of_the_own_companies(clerk, two):
    theirs = OutboundMessage.objects.get(serial_no="out-900")
    data = {"action": "send_again", "_selected_action": [theirs.pk], "select_across": "1"}
    assert confirm(clerk, clerk.post(LIST, data)).status_code == 200
    theirs.refresh_from_db()
    assert theirs.state == "dead"
    assert set(StaffAct.objects.values_list("company", flat=True)) <= {two.mine.company.pk}


def test_a_page_shows_its_buttons_and_leads_back(english, five):
    dead = page(OutboundMessage, "change", five[3].pk)
    shown = english.get(dead)
    assert 'name="action" value="send_again"' in shown.text
    assert 'name="action" value="withdraw"' in shown.text
    assert 'value="send_again"' not in english.get(page(OutboundMessage, "change", five[1].pk)).text
    asked = ask(english, "send_again", [five[3]], back=str(five[3].pk))
    done = confirm(english, asked)
    assert done.redirect_chain == [(dead, 302)]
    assert "What was done by staff" in done.text


def test_the_list_says_why_the_last_try_failed_and_filters(english, rows, five, django_assert_max_num_queries):
    OutboundAttempt.objects.create(
        message=five[3],
        message_created_at=five[3].created_at,
        attempted_at=timezone.now(),
        duration_ms=9,
        http_status=503,
        error="",
        echo_code="",
        answer="",
    )
    # Five of them are about time limits.
    with django_assert_max_num_queries(16):
        listed = english.get(LIST, {"state__exact": "dead"})
    assert "HTTP 503" in listed.text
    found = {
        query: [row.serial_no for row in english.get(LIST + query).context["cl"].queryset]
        for query in (
            "?state__exact=dead",
            "?code=2003",
            "?day=2026-02-01&state__exact=rejected",
            "?day=2026-02-02",
            "?day=nonsense",
            f"?company={rows.company.pk}&state__exact=delivered",
            "?company=x",
        )
    }
    assert list(found.values()) == [["out-3"], [], ["out-2"], [], [], ["out-1"], []]


def test_the_filter_offers_the_own_companies_only(clerk, two):
    listed = clerk.get(LIST)
    assert two.mine.company.name in listed.text
    assert "FREMD" not in listed.text
    assert not clerk.get(LIST, {"company": two.other.company.pk}).context["cl"].queryset.exists()


def test_an_operator_may_an_auditor_may_not(client, two):
    dead = OutboundMessage.objects.get(serial_no="out-1")
    for role, offered in (("operator", True), ("auditor", False)):
        client.force_login(employ(role, role, companies=[two.mine.company]))
        shown = client.get(page(OutboundMessage, "change", dead.pk))
        assert ('value="send_again"' in shown.text) is offered
