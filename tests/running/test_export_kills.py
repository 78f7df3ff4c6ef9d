"""kill -9 of a worker in the middle of an export: another takes it up; after three it has failed, and staff see it."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from analysis.copying import Shape
from analysis.files import Form
from analysis.jobs import SILENCE, TRIES, ask_for_export
from analysis.models import ExportJob
from tests.admin.browsing import page
from tests.admin.rows import make_everything
from tests.running.processes import database_url, running, wait_until, worker_arguments

pytestmark = pytest.mark.django_db(transaction=True)
# What every export of meters reads: while somebody holds it, a worker is in the middle of its file.
HOLD = "LOCK TABLE meters_meterstate IN ACCESS EXCLUSIVE MODE"


@pytest.fixture
def chief():
    make_everything(3)
    return User.objects.create_superuser("chief")


@pytest.fixture
def job(chief, settings, tmp_path):
    settings.EXPORT_DIR = str(tmp_path / "exports")
    return ask_for_export(
        owner=chief, table="meters", asked={}, form=Form.CSV, shape=Shape(language="en"), now=timezone.now()
    )


@pytest.fixture
def worker(job, settings, tmp_path):
    """A worker with beat, which sweeps exports every half second; killed whole, children and all."""
    environment = {
        "DATABASE_URL": database_url(),
        "CELERY_QUEUE": f"test-{uuid.uuid4().hex}",
        "EXPORT_DIR": settings.EXPORT_DIR,
        "EXPORT_SWEEP_SECONDS": "0.5",
    }
    with running(worker_arguments(tmp_path), log=tmp_path / "worker.log", environment=environment) as process:
        yield process


def kill_in_the_middle(worker, job, *, tries: int) -> None:
    """Once the worker has claimed the export and waits for its rows."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(HOLD)
        try:
            wait_until(lambda: is_running(job, tries), seconds=60, what=f"a worker claims the export, try {tries}")
            worker.kill()
        finally:
            cursor.execute("ROLLBACK")
    assert is_running(job, tries)


def is_running(job, tries: int) -> bool:
    return ExportJob.objects.filter(pk=job.pk, state="running", tries=tries).exists()


def fall_silent(job) -> None:
    """As if a minute had passed since its last sign of life."""
    ExportJob.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - 2 * SILENCE)


def shown_to(person, job) -> str:
    client = Client()
    client.force_login(person)
    client.cookies["django_language"] = "en"
    return client.get(page(ExportJob, "change", job.pk)).text


def test_another_worker_takes_the_export_up_and_completes_it(worker, job, chief, settings):
    kill_in_the_middle(worker, job, tries=1)
    assert "data-export" in shown_to(chief, job)
    fall_silent(job)
    worker.start()
    wait_until(lambda: ExportJob.objects.get(pk=job.pk).state == "done", seconds=60, what="the export is done")
    done = ExportJob.objects.get(pk=job.pk)
    assert (done.tries, done.rows) == (2, 3)
    client = Client()
    client.force_login(chief)
    content = b"".join(client.get(page(ExportJob, "file", job.pk)).streaming_content)
    assert content.count(b"\n") == 4


def test_after_the_last_try_it_has_failed_and_staff_see_why(worker, job, chief):
    for tries in range(1, TRIES + 1):
        kill_in_the_middle(worker, job, tries=tries)
        fall_silent(job)
        worker.start()
    wait_until(lambda: ExportJob.objects.get(pk=job.pk).state == "failed", seconds=60, what="the export has failed")
    failed = ExportJob.objects.get(pk=job.pk)
    assert (failed.error, failed.tries, failed.file_name) == ("lost", TRIES, "")
    text = shown_to(chief, job)
    assert "Its worker was lost again and again." in text
    assert "data-export" not in text
