from celery import shared_task
from celery.utils.log import get_task_logger
from django.conf import settings
from django.utils import timezone

from protocol import ledger
from protocol.delivery import deliver_due
from protocol.outbox import DELIVER_TASK
from protocol.partitions.care import tend_partitions
from protocol.partitions.problems import partition_problems
from protocol.presence import sending_here

logger = get_task_logger(__name__)


@shared_task(name=DELIVER_TASK)
def deliver() -> int:
    """Send what is due for a while, unless somebody sends on this host already; returns how many messages were sent."""
    with sending_here(alone=True) as is_alone:
        return deliver_due(seconds=settings.OUTBOX_TASK_SECONDS) if is_alone else 0


@shared_task(name="protocol.forget_serials")
def forget_serials() -> int:
    """Free serials that are older than SERIAL_RETENTION_DAYS (R5); returns how many."""
    return ledger.forget_serials(now=timezone.now())


@shared_task(name="protocol.tend_partitions")
def tend() -> int:
    """Make partitions ahead, rescue rows, drop what is past; returns how many partitions are new or gone."""
    now = timezone.now()
    care = tend_partitions(now=now)
    for problem in partition_problems(now=now):
        logger.error(problem.text)
    return len(care.made) + len(care.dropped)
