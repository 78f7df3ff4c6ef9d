"""How much a peer is sent at once and per second is set on its page: checked, explained, on record, and obeyed."""

from collections import Counter

import pytest
from django.utils import timezone

from protocol.models import Peer
from protocol.outbox import enqueue
from protocol.shares import plan
from staff.models import StaffAct
from tests.admin.browsing import page
from tests.staff.conftest import employ


@pytest.fixture
def chief(client, world):
    Peer.objects.filter(pk=world.cis_peer.pk).update(url="http://127.0.0.1:9")
    client.force_login(employ("chief", "administrator", companies=[world.company]))
    client.cookies["django_language"] = "en"
    return client


def save(client, peer, **limits):
    """The form as the page has it, with these limits."""
    data = {"name": peer.name, "app_code": peer.app_code, "url": "http://127.0.0.1:9", "is_active": "on"}
    data |= {"companies": [row.pk for row in peer.companies.all()], "max_concurrency": "", "max_per_second": ""}
    return client.post(page(Peer, "change", peer.pk), {**data, **limits})


def limits_of(peer):
    return Peer.objects.values_list("max_concurrency", "max_per_second").get(pk=peer.pk)


def test_the_page_says_what_an_empty_limit_means(chief, world, settings):
    settings.OUTBOX_PEER_CONCURRENCY, settings.OUTBOX_PEER_RATE = 77, 0
    text = chief.get(page(Peer, "change", world.cis_peer.pk)).text
    for expected in ("Requests at once", "Messages per second", "setting (77)", "setting (no limit)"):
        assert expected in text


def test_limits_are_set_and_taken_away_on_record(chief, world):
    assert save(chief, world.cis_peer, max_concurrency="8", max_per_second="20").status_code == 302
    assert limits_of(world.cis_peer) == (8, 20)
    act = StaffAct.objects.get()
    assert (act.act, act.before, act.after) == (
        "peer.change",
        {"max_concurrency": None, "max_per_second": None},
        {"max_concurrency": 8, "max_per_second": 20},
    )
    assert save(chief, world.cis_peer).status_code == 302
    assert limits_of(world.cis_peer) == (None, None)
    assert StaffAct.objects.count() == 2


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "many", "9999999999"])
@pytest.mark.parametrize("name", ["max_concurrency", "max_per_second"])
def test_a_limit_that_is_none_is_refused_and_changes_nothing(chief, world, name, wrong):
    answer = save(chief, world.cis_peer, **{name: wrong})
    assert answer.context["adminform"].form.errors.keys() == {name}
    assert limits_of(world.cis_peer) == (None, None)
    assert not StaffAct.objects.exists()


def test_senders_obey_from_the_next_round_on(chief, world):
    for lane in range(5):
        now, company = timezone.now(), world.company.pk
        enqueue(peer=world.cis_peer, company_id=company, code="2003", lane=lane, body={}, now=now)
    save(chief, world.cis_peer, max_concurrency="2")
    assert len(plan(busy=Counter(), now=timezone.now()).claimed) == 2


def test_who_may_only_look_sees_the_limits(client, world):
    Peer.objects.filter(pk=world.cis_peer.pk).update(max_concurrency=77)
    client.force_login(employ("looks", "operator", companies=[world.company]))
    answer = client.get(page(Peer, "change", world.cis_peer.pk))
    assert answer.status_code == 200
    assert "77" in answer.text
    assert save(client, world.cis_peer, max_concurrency="8").status_code == 403
    assert limits_of(world.cis_peer) == (77, None)
