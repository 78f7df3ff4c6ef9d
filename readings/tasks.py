from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from readings.settlement import settle


@shared_task(name="readings.settle_due")
def settle_due() -> int:
    """Settle through yesterday whatever is due, for the first time or again; returns the meter-days."""
    now = timezone.now()
    return settle(through=timezone.localdate(now) - timedelta(days=1), now=now).meter_days
