import logging

from celery import shared_task
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from analysis.jobs import run_export, sweep_exports

logger = logging.getLogger(__name__)


@shared_task(name="analysis.export")
def export(job_id: int) -> bool:
    return run_export(job_id)


@shared_task(name="analysis.sweep_exports")
def sweep() -> int:
    """Hand what waits to workers; a hint that was lost costs a minute."""
    waiting = sweep_exports(now=timezone.now())
    for job_id in waiting:
        export.delay(job_id)
    return len(waiting)


def hint(job_id: int) -> None:
    """Tell a worker of an export; the sweep finds what a lost hint left."""
    if not settings.OUTBOX_NUDGE:
        return
    try:
        export.apply_async((job_id,), retry=False)
    except OperationalError:
        logger.warning("broker unreachable; export %s waits for the sweep", job_id)
