"""The reconciliation page: a company's day by code, and sending again what its CIS lacks, the count first."""

import pytest
from django.utils import timezone

from protocol.models import OutboundMessage
from staff.models import StaffAct
from tests.admin.browsing import sign_in
from tests.admin.rows import make_outbound, make_parties
from tests.staff.conftest import employ

URL = "/admin/protocol/outboundmessage/reconcile/"
DAY = "2026-02-01"
STATES = ["delivered", "dead", "pending", "withdrawn", "delivered"]


@pytest.fixture
def company(db):
    """Of its day: one message of each state, and a delivered one that must not be repeated."""
    rows = make_parties()
    made = [make_outbound(rows, n, lane=n, state=state) for n, state in enumerate(STATES)]
    OutboundMessage.objects.filter(pk=made[-1].pk).update(once_only=True)
    return rows.company


@pytest.fixture
def english(client, company):
    return sign_in(client, language="en")


def states():
    return list(OutboundMessage.objects.order_by("pk").values_list("state", flat=True))


def test_a_day_is_shown_by_peer_and_code(english, company):
    shown = english.get(URL, {"company": company.pk, "day": DAY})
    (line,) = shown.context["lines"]
    assert (line.peer, line.code, line.made, line.delivered, line.dead, line.pending) == ("cis-1", "2001", 5, 2, 1, 1)
    assert english.get(URL, {"company": company.pk, "day": "2026-02-02"}).context["lines"] == []
    assert english.get(URL, {"day": "nonsense"}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "skipped", "facts"),
    [
        ({"code": "2001", "peer": "cis-1"}, [], {"day": DAY, "code": "2001", "filter": "cis-1"}),
        ({"serials": "out-0\nout-1\r\nout-2 out-2\nnobody"}, [2], {"filter": "out-0 out-1 out-2 nobody"}),
    ],
)
def test_what_is_lacking_is_counted_and_then_sent_again_once(english, company, asked, skipped, facts):
    data = {"company": company.pk, "day": DAY, **asked}
    shown = english.post(URL, data)
    assert shown.context["plan"].count == 2
    assert [count for _why, count in shown.context["plan"].skipped] == skipped
    assert states() == STATES
    assert not StaffAct.objects.exists()
    pressed = {**{name: str(value) for name, value in shown.context["hidden"]}, "post": "yes"}
    assert "2 messages will be sent again." in english.post(URL, pressed, follow=True).text
    assert states() == ["pending", "pending", "pending", "withdrawn", "delivered"]
    act = StaffAct.objects.get()
    assert (act.act, act.company, act.after) == ("reconcile.send_again", company, {"messages": 2, **facts})
    OutboundMessage.objects.filter(serial_no__in=["out-0", "out-1"]).update(state="delivered")
    assert "This page had been sent before: it was done once." in english.post(URL, pressed, follow=True).text
    assert OutboundMessage.objects.filter(state="delivered").count() == 3
    assert StaffAct.objects.count() == 1


def test_more_than_counted_are_counted_again(english, company):
    data = {"company": company.pk, "day": DAY, "code": "2001", "post": "yes", "counted": "1"}
    assert english.post(URL, data).context["plan"].count == 2
    assert states() == STATES


def test_only_of_the_own_companies_and_with_the_permission(client, two):
    mine, other = two.mine.company, two.other.company
    before = states()
    client.force_login(employ("operator", "operator", companies=[mine]))
    assert "FREMD" not in client.get(URL).text
    assert client.get(URL, {"company": other.pk}).status_code == 404
    data = {"day": DAY, "serials": "out-900", "post": "yes", "counted": "9"}
    assert client.post(URL, {**data, "company": other.pk}).status_code == 404
    assert client.post(URL, {**data, "company": mine.pk}).status_code == 302
    client.force_login(employ("auditor", "auditor", companies=[mine]))
    assert client.get(URL).status_code == 403
    assert client.post(URL, {**data, "company": mine.pk, "serials": "out-1"}).status_code == 403
    assert states() == before
    assert not StaffAct.objects.exists()


def test_a_day_that_takes_too_long_is_given_up_and_said(english, company, monkeypatch):
    """A statement that sleeps stands for one over millions of rows."""
    monkeypatch.setattr("protocol.reconciliation._REPORT", "SELECT pg_sleep(5)")
    monkeypatch.setattr("staff.reconcile_page.PATIENCE_MS", 20)
    shown = english.get(URL, {"company": company.pk, "day": DAY})
    assert shown.context["lines"] == []
    assert "This takes too long here." in shown.text


def test_who_may_reconcile_finds_it_in_the_sidebar(client, company):
    for role, there in (("operator", True), ("auditor", False)):
        client.force_login(employ(role, role, companies=[company]))
        assert (f'href="{URL}"' in client.get("/admin/").text) is there


def test_without_a_day_it_is_yesterday(english, company):
    assert english.get(URL).context["day"] < timezone.localdate().isoformat()
