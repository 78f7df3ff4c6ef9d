"""Reconciliation: per day and company what became of the messages, and sending again what a CIS lacks."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from protocol.models import DeliveryState, OutboundMessage
from protocol.outbox import enqueue
from tests.world import COMPANY

pytestmark = pytest.mark.django_db
BODY = {"companyCode": COMPANY}


@pytest.fixture
def messages(world):
    """Delivered, dead, and pending; one delivered that must not be repeated."""
    now = timezone.now()
    made = [
        enqueue(
            peer=world.cis_peer,
            company_id=world.company.pk,
            code="2001",
            lane=lane,
            body={"companyCode": COMPANY},
            now=now,
            once_only=lane == 4,
        )
        for lane in (1, 2, 3, 4)
    ]
    for message, state in zip(made, ("delivered", "dead", "pending", "delivered"), strict=True):
        OutboundMessage.objects.filter(pk=message.pk).update(state=state)
    return made


def today():
    return timezone.localdate().isoformat()


def states():
    return list(OutboundMessage.objects.order_by("id").values_list("state", flat=True))


def test_the_report_counts_by_peer_and_code(messages, world, capsys):
    call_command("reconcile", "--company", COMPANY, "--day", today())
    assert capsys.readouterr().out == (
        f"peer,code,made,delivered,pending,rejected,dead,withdrawn\n{world.cis_peer.app_code},2001,4,2,1,0,1,0\n"
    )


def test_what_a_cis_lacks_is_sent_again_by_serial(messages, tmp_path, capsys):
    path = tmp_path / "serials"
    path.write_text("".join(f"{message.serial_no}\n" for message in messages) + "unknown\n")
    call_command("reconcile", "--company", COMPANY, "--day", today(), "--resend-serials", str(path))
    assert capsys.readouterr().out == "2 of 5 messages will be sent again\n"
    assert states() == [DeliveryState.PENDING] * 3 + [DeliveryState.DELIVERED]


def test_what_a_cis_lacks_is_sent_again_by_day_and_code(messages, capsys):
    call_command("reconcile", "--company", COMPANY, "--day", today(), "--resend", "2003")
    call_command("reconcile", "--company", COMPANY, "--day", today(), "--resend", "2001")
    assert capsys.readouterr().out == "0 messages will be sent again\n2 messages will be sent again\n"


def test_an_unknown_company_is_an_error(world):
    with pytest.raises(CommandError, match="there is no company nobody"):
        call_command("reconcile", "--company", "nobody", "--day", today())
