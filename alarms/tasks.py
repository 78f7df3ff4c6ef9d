from celery import shared_task
from django.utils import timezone

from alarms import watch


@shared_task(name="alarms.watch_silence")
def watch_silence() -> int:
    """Raise an alarm for every meter that has fallen silent; returns how many are new."""
    return watch.watch_silence(now=timezone.now())
