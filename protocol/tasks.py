from celery import shared_task
from django.utils import timezone

from protocol import ledger
from protocol.delivery import deliver_due
from protocol.outbox import DELIVER_TASK


@shared_task(name=DELIVER_TASK)
def deliver() -> int:
    """One outbound sweep; returns how many messages were sent."""
    return deliver_due()


@shared_task(name="protocol.forget_serials")
def forget_serials() -> int:
    """Free serials that are older than SERIAL_RETENTION_DAYS (R5); returns how many."""
    return ledger.forget_serials(now=timezone.now())
