"""A peer's secret is made here and shown once; a rotation overlaps; sending is paused and tried out; all on record."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from protocol.models import InboundMessage, OutboundMessage, Peer, PeerHealth
from staff.models import StaffAct
from tests.admin.browsing import page
from tests.protocol.receiver import echo, receiving
from tests.staff.conftest import employ
from tests.wire import Caller

ROTATE, PAUSE, RESUME, TEST = "rotate", "pause", "resume", "test"


@pytest.fixture
def chief(client, world):
    Peer.objects.filter(pk=world.cis_peer.pk).update(url="http://127.0.0.1:9")
    client.force_login(employ("chief", "administrator", companies=[world.company]))
    client.cookies["django_language"] = "en"
    return client


def ask(peer, act: str) -> str:
    return reverse("admin:staff_peer_act", args=[peer.pk, act])


def rotate(client, peer, *, until=None):
    opened = client.get(ask(peer, ROTATE)).context["form"].initial["page_of"]
    return client.post(ask(peer, ROTATE), {"page_of": opened, "until": until or ""})


def stored_texts() -> str:
    """Everything that is kept of what staff do."""
    sessions = [row.get_decoded() for row in Session.objects.all()]
    return str([sessions, list(StaffAct.objects.values()), list(LogEntry.objects.values())])


def let_in(caller: Caller) -> bool:
    return caller.send("1015")["echoCode"] != "0103"


def test_the_secret_of_a_new_peer_is_made_and_shown_once(chief, world, caplog):
    data = {"kind": "cis", "name": "新", "app_code": "new", "is_active": "on", "companies": [world.company.pk]}
    answer = chief.post(page(Peer, "add"), data)
    secret = Peer.objects.get(app_code="new").app_secret
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert len(secret) >= 24
    assert answer.text.count(secret) == 1
    for what, *rest in (("change", Peer.objects.get(app_code="new").pk), ("changelist",)):
        assert secret not in chief.get(page(Peer, what, *rest)).text
    assert secret not in stored_texts() + caplog.text
    assert StaffAct.objects.get().act == "peer.add"
    assert let_in(Caller("new", secret))


def test_a_rotation_overlaps_and_then_ends(chief, world):
    until = timezone.now() + timedelta(hours=2)
    answer = rotate(chief, world.cis_peer, until=timezone.localtime(until).strftime("%Y-%m-%dT%H:%M"))
    peer = Peer.objects.get(pk=world.cis_peer.pk)
    assert peer.previous_secret == "cis-secret"
    assert answer.text.count(peer.app_secret) == 1
    assert "cis-secret" not in answer.text
    assert peer.app_secret not in stored_texts()
    renewed = Caller(peer.app_code, peer.app_secret)
    assert [let_in(world.cis), let_in(renewed), let_in(Caller(peer.app_code, "wrong"))] == [True, True, False]
    Peer.objects.filter(pk=peer.pk).update(previous_secret_until=timezone.now())
    assert [let_in(world.cis), let_in(renewed)] == [False, True]
    act = StaffAct.objects.get()
    assert (act.act, act.company) == ("peer.rotate", world.company)


def test_without_an_overlap_the_old_secret_ends_at_once(chief, world):
    rotate(chief, world.cis_peer)
    peer = Peer.objects.get(pk=world.cis_peer.pk)
    assert (peer.previous_secret, peer.previous_secret_until) == ("", None)
    assert [let_in(world.cis), let_in(Caller(peer.app_code, peer.app_secret))] == [False, True]


def test_a_page_that_is_sent_twice_makes_one_secret(chief, world):
    opened = chief.get(ask(world.cis_peer, ROTATE)).context["form"].initial["page_of"]
    chief.post(ask(world.cis_peer, ROTATE), {"page_of": opened, "until": ""})
    made = Peer.objects.get(pk=world.cis_peer.pk).app_secret
    again = chief.post(ask(world.cis_peer, ROTATE), {"page_of": opened, "until": ""})
    assert again.status_code == 302
    assert Peer.objects.get(pk=world.cis_peer.pk).app_secret == made
    assert StaffAct.objects.count() == 1


@pytest.mark.parametrize("until", ["2020-01-01T00:00", "2199-01-01T00:00", "soon"])
def test_an_overlap_that_is_over_or_too_long_changes_nothing(chief, world, until):
    answer = rotate(chief, world.cis_peer, until=until)
    assert answer.context["form"].errors.keys() == {"until"}
    assert Peer.objects.get(pk=world.cis_peer.pk).app_secret == "cis-secret"


def test_sending_is_paused_and_resumed(chief, world):
    assert chief.post(ask(world.cis_peer, PAUSE), {"reason": ""}).status_code == 200
    assert not PeerHealth.objects.exists()
    chief.post(ask(world.cis_peer, PAUSE), {"reason": "works at the CIS"})
    health = PeerHealth.objects.get()
    assert (health.held_by, health.held_reason) == ("chief", "works at the CIS")
    chief.post(ask(world.cis_peer, RESUME))
    health.refresh_from_db()
    assert health.held_at is None
    acts = list(StaffAct.objects.order_by("id").values_list("act", "note"))
    assert acts == [("peer.pause", "works at the CIS"), ("peer.resume", "")]


@pytest.mark.parametrize(("kind", "code"), [("cis_peer", "2002"), ("headend_peer", "1005")])
def test_a_test_call_is_signed_and_tells_what_came_back(chief, world, kind, code):
    peer = getattr(world, kind)
    peer.companies.set([world.company])
    with receiving() as receiver:
        receiver.answer = echo("9999")
        Peer.objects.filter(pk=peer.pk).update(url=receiver.url)
        answer = chief.post(ask(peer, TEST))
        (request,) = receiver.received
    assert (request.path[-4:], request.body["meterNo"]) == (code, "0" * 12)
    assert request.headers["AccessToken"]
    shown = answer.context
    assert (shown["reachable"], shown["outcome"].http_status, shown["echo_code"]) == (True, 200, "9999")
    assert StaffAct.objects.get().after["echo_code"] == "9999"
    assert not OutboundMessage.objects.exists()
    assert not InboundMessage.objects.exists()


def test_a_test_call_says_that_nobody_is_there(chief, world):
    shown = chief.post(ask(world.cis_peer, TEST)).context
    assert (shown["reachable"], shown["outcome"].http_status) == (False, None)
    assert shown["outcome"].error


def test_each_act_needs_its_permission_and_the_whole_peer(client, world):
    Peer.objects.filter(pk=world.cis_peer.pk).update(url="http://127.0.0.1:9")
    client.force_login(employ("auditor", "auditor", companies=[world.company]))
    for act in (ROTATE, PAUSE, RESUME, TEST):
        assert client.post(ask(world.cis_peer, act), {"reason": "x"}).status_code == 403
    client.force_login(employ("operator", "operator", companies=[world.company]))
    assert client.get(ask(world.cis_peer, ROTATE)).status_code == 403
    assert client.get(ask(world.cis_peer, PAUSE)).status_code == 200
    assert not StaffAct.objects.exists()
