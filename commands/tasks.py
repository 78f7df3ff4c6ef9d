from celery import shared_task
from django.utils import timezone

from commands.cancelling import expire_overdue


@shared_task(name="commands.expire")
def expire() -> int:
    """End the commands whose life is over (R13); returns how many."""
    return expire_overdue(now=timezone.now())
