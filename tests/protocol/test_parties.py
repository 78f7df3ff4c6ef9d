"""Setting up companies, manufacturers and peers from the command line: idempotent, with clear errors."""

import pytest
from django.core.management import CommandError, call_command

from protocol.models import Company, Manufacturer, Peer

pytestmark = pytest.mark.django_db


@pytest.fixture
def parties(capsys):
    call_command("create_company", "10001001", name="甲")
    call_command("create_company", "10001002", name="乙")
    call_command("create_manufacturer", "0030", name="丙")
    capsys.readouterr()


def make(kind="cis", code="app", **options):
    defaults = {"app_code": code, "app_secret": "s", "company": ["10001001"]} if kind == "cis" else {"app_code": code}
    call_command("create_peer", kind, **{**defaults, **options})


def test_a_company_and_a_manufacturer_are_created_once_and_renamed(capsys):
    call_command("create_company", "10001001", name="甲")
    call_command("create_company", "10001001", name="甲燃气")
    call_command("create_manufacturer", "0030", name="丙")
    call_command("create_manufacturer", "0030", name="丙表具")
    assert capsys.readouterr().out.splitlines() == [
        "company 10001001 created",
        "company 10001001 exists",
        "manufacturer 0030 created",
        "manufacturer 0030 exists",
    ]
    assert [company.name for company in Company.objects.all()] == ["甲燃气"]
    assert [manufacturer.name for manufacturer in Manufacturer.objects.all()] == ["丙表具"]


def test_a_peer_again_takes_over_url_and_gains_companies(parties, capsys):
    make(url="http://127.0.0.1:1")
    make(url="http://127.0.0.1:2", company=["10001002"], name="新")
    assert capsys.readouterr().out.splitlines() == ["peer app created", "peer app exists"]
    peer = Peer.objects.get()
    assert (peer.url, peer.name, peer.app_secret) == ("http://127.0.0.1:2", "新", "s")
    assert [company.code for company in peer.companies.all()] == ["10001001", "10001002"]


def test_a_secret_that_is_left_out_is_made_and_shown_once(parties, capsys):
    make(app_secret=None)
    shown = capsys.readouterr().out.splitlines()[1]
    secret = Peer.objects.get().app_secret
    assert shown == f"app secret (shown only now): {secret}"
    assert len(secret) >= 24
    make(app_secret=None)
    assert capsys.readouterr().out == "peer app exists\n"
    assert Peer.objects.get().app_secret == secret


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"app_secret": "other"}, "peer app exists with another secret"),
        ({"kind": "headend", "factor": ["0030"]}, "peer app exists with another kind: cis"),
        ({"company": ["404"]}, "no such company: 404"),
        ({"factor": ["404"]}, "no such manufacturer: 404"),
        ({"url": "ftp//x"}, "url: "),
    ],
)
def test_what_contradicts_is_refused_and_changes_nothing(parties, options, message):
    make(url="http://127.0.0.1:1")
    before = Peer.objects.values().get()
    with pytest.raises(CommandError) as error:
        make(**options)
    assert str(error.value).startswith(message)
    assert Peer.objects.values().get() == before
    assert [company.code for company in Peer.objects.get().companies.all()] == ["10001001"]


def test_a_peer_needs_what_its_kind_is_tied_to(parties):
    with pytest.raises(CommandError, match="a CIS needs at least one --company"):
        make(company=[])
    with pytest.raises(CommandError, match="a head-end needs at least one --factor"):
        make("headend", app_secret="s")
    assert not Peer.objects.exists()


def test_the_secret_of_a_peer_is_in_no_representation(parties):
    make(app_secret="very-secret")
    peer = Peer.objects.get()
    assert "very-secret" not in f"{peer} {peer!r}"
    assert not Manufacturer.objects.filter(name__contains="very-secret").exists()
