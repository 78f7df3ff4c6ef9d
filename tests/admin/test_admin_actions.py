"""What staff can do: resume a paused peer, and keep peers with their secrets."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone

from protocol.models import Company, Peer, PeerHealth, PeerKind
from tests.admin.browsing import page, sign_in
from tests.admin.rows import SECRET, make_outbound, make_parties, make_peer, make_person

NEW_SECRET = "Neues-Geheimnis-77"


@pytest.fixture
def rows(db):
    return make_parties()


def act(client, model, action, rows):
    return client.post(
        page(model, "changelist"), {"action": action, "_selected_action": [row.pk for row in rows]}, follow=True
    )


def allow(person, *names):
    person.user_permissions.set(Permission.objects.filter(codename__in=names))


def test_resume_closes_the_breaker_of_the_chosen_peers(client, rows):
    others = [make_peer("other-1"), make_peer("other-2")]
    paused = timezone.now() + timedelta(minutes=5)
    for peer in others:
        PeerHealth.objects.create(peer=peer, state="open", failure_rate=1.0, paused_until=paused)
    response = act(sign_in(client, language="en"), PeerHealth, "resume", [rows.peer, others[0]])
    assert "Sending to 2 peers is resumed." in response.text
    health = {health.peer.app_code: health for health in PeerHealth.objects.select_related("peer")}
    for app_code in ("cis-1", "other-1"):
        assert (health[app_code].state, health[app_code].paused_until) == ("closed", None)
    assert (health["other-2"].state, health["other-2"].paused_until) == ("open", paused)


def test_resume_needs_the_permission_to_pause_peers(client, rows):
    person = make_person("reader", superuser=False)
    allow(person, "view_peerhealth", "change_peerhealth")
    act(sign_in(client, person=person), PeerHealth, "resume", [rows.peer])
    assert PeerHealth.objects.get().state == "open"


def peer_data(company, **changes):
    data = {
        "kind": PeerKind.CIS,
        "name": "营收系统",
        "is_active": "on",
        "app_code": "cis-2",
        "secret": "",
        "url": "http://127.0.0.1:9",
        "allowed_addresses": "10.0.0.0/8,127.0.0.1",
        "companies": [company.pk],
    }
    return {**data, **changes}


def test_a_new_peer_keeps_the_secret_that_was_agreed(client, rows):
    sign_in(client)
    assert client.post(page(Peer, "add"), peer_data(rows.company, secret=NEW_SECRET)).status_code == 302
    peer = Peer.objects.get(app_code="cis-2")
    assert peer.app_secret == NEW_SECRET
    assert peer.allowed_addresses == ["10.0.0.0/8", "127.0.0.1"]
    assert list(peer.companies.all()) == [rows.company]


def test_a_refused_form_does_not_give_the_secret_back(client, rows):
    data = peer_data(rows.company, secret=NEW_SECRET, allowed_addresses="nonsense")
    response = sign_in(client).post(page(Peer, "add"), data)
    assert response.status_code == 200
    assert NEW_SECRET not in response.text


def test_a_changed_peer_keeps_its_secret(client, rows):
    data = peer_data(rows.company, name="新名称", app_code="cis-1", secret=NEW_SECRET)
    assert sign_in(client).post(page(Peer, "change", rows.peer.pk), data).status_code == 302
    peer = Peer.objects.get(pk=rows.peer.pk)
    assert (peer.name, peer.app_secret) == ("新名称", SECRET)
    entry = LogEntry.objects.get()
    assert SECRET not in entry.change_message
    assert NEW_SECRET not in entry.change_message


def test_who_may_only_look_at_peers_sees_no_field_for_a_secret(client, rows):
    person = make_person("reader", superuser=False)
    allow(person, "view_peer")
    response = sign_in(client, person=person).get(page(Peer, "change", rows.peer.pk))
    assert response.status_code == 200
    assert 'name="secret"' not in response.text


@pytest.mark.parametrize(("kind", "field"), [(PeerKind.CIS, "companies"), (PeerKind.HEADEND, "manufacturers")])
def test_a_peer_needs_the_scope_of_its_kind(client, rows, kind, field):
    data = peer_data(rows.company, kind=kind, secret=NEW_SECRET, companies=[], manufacturers=[])
    response = sign_in(client).post(page(Peer, "add"), data)
    assert list(response.context["adminform"].form.errors) == [field]


def test_a_peer_with_messages_cannot_be_deleted_one_without_can_once_it_is_inactive(client, rows):
    sign_in(client)
    make_outbound(rows, 1, lane=1)
    used, unused = rows.peer, make_peer("unused")
    Peer.objects.filter(pk=used.pk).update(is_active=False)
    assert client.post(page(Peer, "delete", used.pk), {"post": "yes"}).status_code == 403
    assert client.post(page(Peer, "delete", unused.pk), {"post": "yes"}).status_code == 403
    Peer.objects.filter(pk=unused.pk).update(is_active=False)
    assert client.post(page(Peer, "delete", unused.pk), {"post": "yes"}).status_code == 302
    assert used in Peer.objects.all()
    assert not Peer.objects.filter(app_code="unused").exists()


def test_companies_can_be_added_and_changed(client, rows):
    sign_in(client)
    assert client.post(page(Company, "add"), {"code": "10002", "name": "乙"}).status_code == 302
    company = Company.objects.get(code="10002")
    assert client.post(page(Company, "change", company.pk), {"code": "10002", "name": "丙"}).status_code == 302
    company.refresh_from_db()
    assert company.name == "丙"
