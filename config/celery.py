"""The Celery application. Every task is a nudge or a sweep: what must happen is a row in PostgreSQL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("das")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
