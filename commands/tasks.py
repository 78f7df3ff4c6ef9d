from celery import shared_task
from django.utils import timezone

from commands.bulk import carry_out, forget_drafts
from commands.cancelling import expire_overdue


@shared_task(name="commands.expire")
def expire() -> int:
    """End the commands whose life is over (R13); returns how many."""
    return expire_overdue(now=timezone.now())


@shared_task(name="commands.carry_out_bulks")
def carry_out_bulks() -> int:
    """Ask the next meters of every running bulk, a bounded number of them; returns how many were looked at."""
    forget_drafts(now=timezone.now())
    return carry_out(clock=timezone.now)
