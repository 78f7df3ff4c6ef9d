"""Who is who is kept in memory, and what has changed counts from the next message on."""

import pytest
from django.db import connection, transaction

from protocol import directory
from protocol.models import Company, Manufacturer, Peer
from protocol.outbox import cis_peers, headend_of
from protocol.parties import create_company, create_manufacturer, create_peer
from tests.world import COMPANY, FACTOR


@pytest.fixture
def known(world):
    """A world that the process has met."""
    directory.current()
    return world


def asks(world, **fields):
    return world.cis.send("1015", companyCode=COMPANY, factorNo=FACTOR, userNo="1", **fields)["echoMsg"]


def test_what_is_known_costs_one_query(known, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert directory.current() is directory.remembered()


@pytest.mark.parametrize("change", [{"is_active": False}, {"app_secret": "other"}, {"allowed_addresses": ["10.0.0.1"]}])
def test_a_peer_that_changes_is_refused_at_once(known, change):
    assert asks(known) == "startTime 不能为空"
    Peer.objects.filter(pk=known.cis_peer.pk).update(**change)
    assert asks(known).startswith("Token 校验未通过")


def test_the_scope_of_a_peer_changes_at_once(known):
    assert asks(known) == "startTime 不能为空"
    known.cis_peer.companies.clear()
    assert asks(known, startTime="2026-01-01", endTime="2026-01-01") == f"公司编码 {COMPANY} 不存在"
    create_company(code="2", name="2")
    known.cis_peer.companies.add(Company.objects.get(code="2"))
    known.cis_peer.manufacturers.add(create_manufacturer(factor_no="other", name="other").row)
    answer = known.cis.send("1013", factorNo=FACTOR, companyCode="2")
    assert answer == {"echoCode": "0404", "echoMsg": "厂商编码(factorNo)错误"}


def test_what_is_rolled_back_is_not_remembered(known):
    before = directory.current().version
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Peer.objects.update(is_active=False)
        assert not directory.current().scopes[known.cis_peer.app_code].peer.is_active
        assert 1 / 0
    assert directory.current().version == before
    assert directory.current().scopes[known.cis_peer.app_code].peer.is_active
    Peer.objects.update(name="renamed")
    assert directory.current().scopes[known.cis_peer.app_code].peer.is_active


def test_without_a_version_everything_is_asked_each_time(known):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM protocol_directoryversion")
    assert directory.current() is not directory.current()


def test_whom_we_call(known):
    """By the scope in which they may call (R1), the head-end that came first, and none without a URL."""
    company, manufacturer = known.company, known.manufacturer
    other = create_manufacturer(factor_no="other", name="other").row
    assert (cis_peers(company, manufacturer), headend_of(manufacturer, company)) == ([], None)

    def peer(kind, code, **scope):
        url = "http://127.0.0.1:9"
        return create_peer(kind=kind, app_code=code, app_secret="secret", url=url, **scope).row

    every = peer("cis", "b", companies=[COMPANY])
    some = peer("cis", "a", companies=[COMPANY], manufacturers=["other"])
    first = peer("headend", "z", manufacturers=[FACTOR])
    peer("headend", "y", manufacturers=[FACTOR])
    assert (cis_peers(company, manufacturer), cis_peers(company, other)) == ([every], [some, every])
    assert (headend_of(manufacturer, company), headend_of(other, company)) == (first, None)
    first.companies.add(create_company(code="2", name="2").row)
    assert headend_of(manufacturer, company).app_code == "y"
    Peer.objects.filter(app_code="y").update(url="", is_active=False)
    assert headend_of(Manufacturer.objects.get(pk=manufacturer.pk), company) is None
