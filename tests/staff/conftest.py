"""Two gas companies side by side, and somebody of the staff who sees the first only."""

from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from alarms.models import AlarmThresholds
from protocol.models import Company, Manufacturer, PeerHealth
from staff.models import StaffScope
from tests.admin.rows import (
    Rows,
    make_alarm,
    make_bulk,
    make_command,
    make_everything,
    make_inbound,
    make_meter,
    make_outbound,
    make_peer,
    make_price,
    make_readings,
    make_review,
)


@dataclass
class Two:
    mine: Rows
    other: Rows


def make_other() -> Rows:
    """Everything once more, of a company and a manufacturer that the first knows nothing of."""
    company = Company.objects.create(code="20002", name="FREMD-Gas")
    manufacturer = Manufacturer.objects.create(factor_no="0099", name="FREMD-Werk")
    peer = make_peer("FREMD-cis")
    peer.companies.add(company)
    PeerHealth.objects.create(peer=peer)
    AlarmThresholds.objects.create(manufacturer=manufacturer, silent_days=9)
    rows = Rows(company, manufacturer, peer, make_price(company, manufacturer, "FREMD-Preis"))
    meter = make_meter(rows, 900)
    make_readings(meter)
    make_review(meter)
    make_bulk(meter, by="nobody")
    make_alarm(meter)
    make_command(rows, meter)
    make_inbound(rows, 900)
    make_outbound(rows, 900, lane=meter.pk, state="dead")
    return rows


@pytest.fixture
def two(db) -> Two:
    return Two(make_everything(meters=1), make_other())


def employ(name: str, *roles: str, companies=(), everything: bool = False) -> User:
    person = User.objects.create(username=name, is_staff=True)
    person.groups.set(Group.objects.filter(name__in=roles))
    scope = StaffScope.objects.create(user=person, all_companies=everything)
    scope.companies.set(companies)
    return person


@pytest.fixture
def clerk(client: Client, two: Two) -> Client:
    """May do everything that there is to do, within the first company."""
    person = employ("clerk", companies=[two.mine.company])
    person.user_permissions.set(Permission.objects.all())
    client.force_login(person)
    return client
