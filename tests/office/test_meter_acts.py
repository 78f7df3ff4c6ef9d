"""Staff act on a meter: words first, then the act once, on record; a refusal changes nothing."""

import re
from decimal import Decimal

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from commands.models import Command
from meters.models import Account, AccountEntry, Meter, MeterPrice
from pricing.models import Price
from protocol.models import Company, OutboundMessage
from readings.models import Reading
from staff.models import StaffAct, StaffScope
from tests.admin.browsing import sign_in
from tests.admin.rows import make_person
from tests.world import PRICE

pytestmark = pytest.mark.django_db


@pytest.fixture
def meter(priced_world):
    assert priced_world.register(userName="李四")["echoCode"] == "0000"
    priced_world.headend_peer.url = "http://127.0.0.1:9"
    priced_world.headend_peer.save()
    return Meter.objects.get()


@pytest.fixture
def chief(client, meter):
    return sign_in(client, language="en")


def url(meter, act):
    return reverse("admin:office_meter_act", args=[meter.pk, act])


def confirmation(client, meter, act, **fields):
    """What the confirmation says, and what its page would send."""
    response = client.post(url(meter, act), fields) if fields else client.get(url(meter, act))
    assert response.status_code == 200
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', response.text))
    assert "token" in sent, response.text
    return response.context["said"], {**sent, "note": "by telephone"}


def send(client, meter, act, data):
    response = client.post(url(meter, act), data)
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_closing_says_what_will_happen_and_happens_once(chief, meter):
    said, data = confirmation(chief, meter, "close")
    assert said[0] == "The meter is asked to close its valve: the customer is without gas."
    assert "at once" in said[1]
    assert not Command.objects.exists()
    assert send(chief, meter, "close", data) == ["Asked for: Close the valve."]
    again = send(chief, meter, "close", data)
    assert again[-1] == "This page had been sent before: it was done once."
    command = Command.objects.get()
    assert (command.payload, command.origin, command.requested_by.username) == ({"valveSet": "1"}, "staff", "chief")
    act = StaffAct.objects.get()
    assert (act.act, act.note, act.company, act.target_pk) == (
        "meter.close",
        "by telephone",
        meter.company,
        str(meter.pk),
    )
    assert (act.before["last_command"], act.after["last_command"]) == (None, command.pk)


def test_a_recharge_says_the_new_balance_and_credits_once(chief, meter):
    said, data = confirmation(chief, meter, "recharge", amount="12.5")
    assert "the balance goes from 0.0000 to 12.5000 CNY" in said[0]
    send(chief, meter, "recharge", data)
    send(chief, meter, "recharge", data)
    assert Account.objects.get().balance == Decimal("12.5")
    assert AccountEntry.objects.count() == 1
    act = StaffAct.objects.get()
    assert (act.before["balance"], act.after["balance"]) == ("0.0000", "12.5000")


def test_another_amount_under_the_same_page_is_not_credited(chief, meter):
    _, data = confirmation(chief, meter, "recharge", amount="12.5")
    send(chief, meter, "recharge", data)
    send(chief, meter, "recharge", {**data, "amount": "99"})
    assert Account.objects.get().balance == Decimal("12.5")


def test_a_price_is_changed_and_the_headend_is_told(chief, meter, priced_world):
    priced_world.create_price("商业价")
    other = Price.objects.get(code="商业价")
    said, data = confirmation(chief, meter, "price", price=str(other.pk))
    assert said[0].startswith(f"From today on the price is 商业价 instead of {PRICE}")
    send(chief, meter, "price", data)
    assert MeterPrice.objects.get(meter=meter, ends__isnull=True).price == other
    assert OutboundMessage.objects.filter(code="1008").count() == 1
    assert (StaffAct.objects.get().before["price"], StaffAct.objects.get().after["price"]) == (PRICE, "商业价")


def test_a_meter_is_replaced_once(chief, meter):
    fields = {"closing_index": "5", "meter_no": "188011110999", "meter_type": "441", "opening_index": "1"}
    said, data = confirmation(chief, meter, "replace", comm_no="", **fields)
    assert said[0] == "Meter 188011110128 ends today with the closing index 5 m³."
    send(chief, meter, "replace", data)
    chief.post(url(meter, "replace"), data)
    meter.refresh_from_db()
    new = Meter.objects.get(replaces=meter)
    assert (meter.status, new.meter_no, new.initial_index) == ("ended", "188011110999", 1)
    assert OutboundMessage.objects.filter(code="1009", lane=new.pk).count() == 1
    assert Meter.objects.count() == 2


def test_what_the_service_refuses_changes_nothing_and_says_why(chief, meter, priced_world):
    _, data = confirmation(chief, meter, "deregister", closing_index="99999999", reason="拆表")
    told = send(chief, meter, "deregister", data)
    assert told == ["Nothing was done: the closing index is beyond what the meter can have used"]
    meter.refresh_from_db()
    assert meter.status == "active"
    assert not StaffAct.objects.exists()
    assert not Reading.objects.exists()
    assert not OutboundMessage.objects.filter(code="1002").exists()


def test_a_meter_is_deregistered(chief, meter):
    said, data = confirmation(chief, meter, "deregister", closing_index="7", reason="拆表")
    assert "This cannot be taken back." in said[4]
    send(chief, meter, "deregister", data)
    meter.refresh_from_db()
    assert (meter.status, meter.closing_index, meter.end_reason) == ("ended", 7, "拆表")
    assert chief.get(url(meter, "close")).status_code == 403


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_page_with_a_wrong_token_does_nothing(chief, meter, token):
    assert send(chief, meter, "close", {"token": token, "note": ""})[0].startswith("This page is too old or not yours")
    assert not Command.objects.exists()


def test_the_token_of_another_act_or_person_does_nothing(chief, client, meter):
    _, data = confirmation(chief, meter, "close")
    send(chief, meter, "open", data)
    sign_in(client, language="en", person=make_person("other"))
    send(client, meter, "close", data)
    assert not Command.objects.exists()


@pytest.mark.parametrize("act", ["open", "close", "recharge", "price", "replace", "deregister"])
def test_who_may_not_or_is_of_another_company_does_nothing(client, meter, act):
    clerk = make_person("clerk", superuser=False)
    scope, _ = StaffScope.objects.update_or_create(user=clerk, defaults={"all_companies": False})
    scope.companies.add(Company.objects.create(code="other", name="other"))
    sign_in(client, person=clerk)
    for method in (client.get, client.post):
        assert method(url(meter, act)).status_code in (403, 404)
    assert not Command.objects.exists()
    assert not StaffAct.objects.exists()


def test_a_form_that_is_wrong_goes_no_further(chief, meter):
    for fields in ({"amount": "0"}, {"amount": "-1"}, {"amount": "x"}):
        response = chief.post(url(meter, "recharge"), fields)
        assert "token" not in response.context
        assert response.context["form"].errors
    assert not Command.objects.exists()
