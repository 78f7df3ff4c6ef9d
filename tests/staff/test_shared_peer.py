"""One CIS and one head-end that serve two companies: whoever sees one of them sees its messages, and no others."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from protocol.models import Company, InboundMessage, OutboundAttempt, OutboundMessage, Peer, PeerHealth
from protocol.parties import create_company, create_peer
from staff.models import StaffAct
from tests.admin.browsing import page
from tests.staff.conftest import employ
from tests.world import COMPANY, FACTOR, TIERS

OTHER = "20002"


@pytest.fixture
def shared(world):
    """Both peers speak for both companies and take messages."""
    create_company(code=OTHER, name="邻市燃气")
    create_peer(
        kind="cis", app_code=world.cis_peer.app_code, app_secret=None, url="http://127.0.0.1:9", companies=[OTHER]
    )
    create_peer(kind="headend", app_code=world.headend_peer.app_code, app_secret=None, url="http://127.0.0.1:9")
    for company in (COMPANY, OTHER):
        price = {"priceCode": "价", "priceProperty": "1", "cycleLength": "12", "priceType": "2"}
        body = {"companyCode": company, "factorNo": FACTOR}
        assert world.cis.send("1007", **body, **price, priceDetail=TIERS)["echoCode"] == "0000"
        meter = {"meterNo": f"{company:0>12}", "userNo": company, "meterType": "441", "initNum": "0"}
        models = {"billingModel": "3", "payModel": "1", "priceCode": "价", "sdateTime": "2026-01-01"}
        assert world.cis.send("1001", **body, **meter, **models)["echoCode"] == "0000"
    return world


def report(world, company: str, index: str, **fields):
    now = timezone.localtime()
    body = {
        "companyCode": company,
        "factorNo": FACTOR,
        "meterNo": f"{company:0>12}",
        "userNo": company,
        "billingModel": "3",
        "readNum": index,
        "readDate": now.strftime("%Y%m%d"),
        "readTime": now.strftime("%H%M%S"),
        "batteryCap": "6.1",
        "semaphore": "59%",
        "valveState": "2",
        "sdateTime": now.strftime("%Y-%m-%d"),
    }
    return world.headend.send("2001", **{**body, **fields})


def companies(rows) -> set[str | None]:
    return set(rows.values_list("company__code", flat=True))


def test_each_message_knows_whose_meter_it_is_about(shared):
    for company in (COMPANY, OTHER):
        assert report(shared, company, "1")["echoCode"] == "0000"
        assert report(shared, company, "2", userNo="nobody")["echoCode"] != "0000"
    assert report(shared, "unknown", "1")["echoCode"] != "0000"
    said = {row.serial_no: row for row in InboundMessage.objects.select_related("company")}
    assert len(said) == 9
    for row in said.values():
        code = json.loads(row.body)["companyCode"]
        assert (row.company.code if row.company else None) == (None if code == "unknown" else code)
    owed = list(OutboundMessage.objects.select_related("company"))
    assert {(row.code, row.company.code) for row in owed} >= {("2001", COMPANY), ("2001", OTHER), ("1001", OTHER)}
    assert all(row.company.code == json.loads(row.body)["companyCode"] for row in owed)


def test_a_message_without_a_company_code_is_about_the_only_one_of_its_peer(world):
    answer = world.cis.send("1015", factorNo=FACTOR, userNo="nobody", startTime="2026-01-01", endTime="2026-01-02")
    assert answer["echoCode"] != "0000"
    assert companies(InboundMessage.objects.all()) == {COMPANY}


def test_who_sees_one_company_sees_none_of_the_messages_of_the_other(client, shared):
    report(shared, COMPANY, "1")
    report(shared, OTHER, "1")
    report(shared, "unknown", "1")
    for message in OutboundMessage.objects.all():
        made = {"message": message, "message_created_at": message.created_at}
        OutboundAttempt.objects.create(**made, attempted_at=timezone.now(), duration_ms=1)
    client.force_login(employ("auditor", "auditor", companies=[shared.company]))
    for model, path in ((InboundMessage, ""), (OutboundMessage, ""), (OutboundAttempt, "message__")):
        listed = client.get(page(model, "changelist"))
        seen = listed.context["cl"].queryset
        assert set(seen.values_list(f"{path}company__code", flat=True)) == {COMPANY}
        assert OTHER not in listed.content.decode().replace(reverse("admin:index"), "")
        for row in model.objects.exclude(**{f"{path}company": shared.company}):
            assert client.get(page(model, "change", row.pk)).status_code in (302, 404)
    client.force_login(employ("chief", "auditor", everything=True))
    listed = client.get(page(InboundMessage, "changelist"))
    assert companies(listed.context["cl"].queryset) == {COMPANY, OTHER, None}


@pytest.mark.parametrize("field", ["cis_peer", "headend_peer"])
def test_only_who_sees_all_companies_of_a_peer_changes_it(client, shared, field):
    peer = getattr(shared, field)
    other = Company.objects.get(code=OTHER)
    peer.companies.set([shared.company, other])
    PeerHealth.objects.create(peer=peer, state="open", paused_until=timezone.now() + timedelta(hours=1))
    data = {"name": "mine", "app_code": peer.app_code, "url": "http://127.0.0.1:1", "is_active": "on", "secret": ""}
    data |= {"companies": [shared.company.pk], "manufacturers": [shared.manufacturer.pk]}
    partly = employ("partly", "administrator", companies=[shared.company])
    wholly = employ("wholly", "administrator", companies=[shared.company, other])
    resume = {"action": "resume", "_selected_action": [peer.pk]}
    client.force_login(partly)
    assert client.get(page(Peer, "change", peer.pk)).status_code == 200
    assert client.post(page(Peer, "change", peer.pk), data).status_code == 403
    Peer.objects.filter(pk=peer.pk).update(is_active=False)
    assert client.post(page(Peer, "delete", peer.pk), {"post": "yes"}).status_code == 403
    client.post(page(PeerHealth, "changelist"), resume)
    assert not StaffAct.objects.exists()
    assert PeerHealth.objects.get().state == "open"
    assert Peer.objects.get(pk=peer.pk).name == peer.name
    client.force_login(wholly)
    client.post(page(PeerHealth, "changelist"), resume)
    assert PeerHealth.objects.get().state == "closed"
    assert StaffAct.objects.get().act == "peer.resume"
    assert client.get(page(Peer, "change", peer.pk)).context["has_change_permission"]


def test_a_head_end_for_all_companies_is_made_by_who_sees_all(client, shared):
    data = {"kind": "headend", "name": "h", "app_code": "h", "secret": "a-secret-of-mine", "is_active": "on"}
    data["manufacturers"] = [shared.manufacturer.pk]
    client.force_login(employ("partly", "administrator", companies=[shared.company]))
    answer = client.post(page(Peer, "add"), data)
    assert list(answer.context["adminform"].form.errors) == ["companies"]
    assert not Peer.objects.filter(app_code="h").exists()
