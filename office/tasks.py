from celery import shared_task
from django.utils import timezone

from office.figures import refresh, refresh_nightly
from staff.once import forget_sent


@shared_task(name="office.count_ahead")
def count_ahead() -> None:
    """Count what the home page shows."""
    refresh(now=timezone.now())


@shared_task(name="office.tidy")
def tidy() -> None:
    """Count the days of the last month again, and forget what no page needs any more."""
    refresh_nightly(now=timezone.now())
    forget_sent(now=timezone.now())
