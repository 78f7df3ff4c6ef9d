"""Exports in the background: written, cancelled, taken over from a dead worker, expired, downloaded by whoever may."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.utils import timezone

from analysis import copying, jobs
from analysis.copying import Shape
from analysis.files import Form
from analysis.jobs import ask_for_export, cancel_export, file_for, run_export, sweep_exports
from analysis.models import ExportJob, ExportState
from readings.models import Quality
from staff.models import StaffAct
from tests.admin.rows import make_everything
from tests.analysis.people import analyst, export_permission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def directory(settings, tmp_path):
    settings.EXPORT_DIR = str(tmp_path / "exports")
    return tmp_path / "exports"


@pytest.fixture
def rows():
    return make_everything()


def ask(owner, *, table="readings", asked=None, form=Form.CSV, shape=None):
    return ask_for_export(
        owner=owner, table=table, asked=asked or {}, form=form, shape=shape or Shape(), now=timezone.now()
    )


def lines(job, user):
    return file_for(job, user=user, now=timezone.now()).read_text(encoding="utf-8").splitlines()


def finished(job):
    job.refresh_from_db()
    return job


def test_an_export_is_written_and_is_on_record(rows):
    person = analyst()
    job = ask(person, asked={"filters": {"quality": "flagged"}})
    assert run_export(job.pk)
    finished(job)
    assert (job.state, job.rows, job.tries) == (ExportState.DONE, 2 * (len(Quality) - 1), 1)
    assert len(lines(job, person)) == job.rows + 1
    assert job.size == len("\n".join(lines(job, person))) + 1
    act = StaffAct.objects.get(act="export.file")
    assert (act.by, act.target_pk) == (person, str(job.pk))
    assert act.after == {"table": "readings", "asked": {"filters": {"quality": "flagged"}}, "form": "csv"}
    assert not run_export(job.pk)


def test_the_filters_of_a_list_and_the_scope_of_its_reader(rows):
    own, idle = analyst("own", companies=["10001"]), analyst("idle", companies=["idle"])
    listed = {"list": "quality=jump&q=000000000001"}
    for person, expected in ((own, 1), (idle, 0)):
        job = ask(person, asked=listed)
        assert run_export(job.pk)
        assert finished(job).rows == expected


def test_chosen_rows_of_others_are_left_out(rows):
    mine = analyst(companies=["idle"])
    job = ask(mine, table="meters", asked={"ids": [1, 2, 3]})
    assert run_export(job.pk)
    assert finished(job).rows == 0


def test_without_the_permission_nothing_is_asked(rows):
    with pytest.raises(PermissionDenied):
        ask(analyst(export=False))
    assert not ExportJob.objects.exists()
    assert not StaffAct.objects.exists()


def test_a_permission_lost_while_waiting_ends_the_export(rows, directory):
    person = analyst()
    job = ask(person)
    person.user_permissions.remove(export_permission())
    assert not run_export(job.pk)
    assert finished(job).state == ExportState.FAILED
    assert list(directory.glob("*")) == []


def test_a_cancelled_export_does_not_begin(rows, directory):
    person = analyst()
    job = ask(person)
    assert cancel_export(job, by=person, now=timezone.now())
    assert not cancel_export(job, by=person, now=timezone.now())
    assert not run_export(job.pk)
    assert finished(job).state == ExportState.CANCELLED
    assert StaffAct.objects.filter(act="export.cancel").count() == 1


def test_an_export_cancelled_while_it_runs_stops_and_leaves_nothing(rows, directory, monkeypatch):
    person = analyst()
    job = ask(person)
    monkeypatch.setattr(copying, "PIECE_BYTES", 100)
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0)
    tell, told = jobs._Progress.tell, []

    def cancelled_at_the_third(self, so_far):
        told.append(so_far)
        if len(told) == 3:
            cancel_export(job, by=person, now=timezone.now())
        tell(self, so_far)

    monkeypatch.setattr(jobs._Progress, "tell", cancelled_at_the_third)
    assert not run_export(job.pk)
    assert len(told) == 3
    assert finished(job).state == ExportState.CANCELLED
    assert job.rows == told[1]
    assert list(directory.iterdir()) == []


def test_a_killed_worker_is_replaced_and_cannot_finish_what_it_lost(rows, directory, monkeypatch):
    person = analyst()
    job = ask(person)
    silent = timezone.now() - timedelta(seconds=61)

    def killed(*args, **kwargs):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "write_export", killed)
        with pytest.raises(SystemExit):
            run_export(job.pk)
    lost = finished(job)
    assert lost.state == ExportState.RUNNING
    assert not run_export(job.pk)
    assert sweep_exports(now=timezone.now()) == []
    ExportJob.objects.update(heartbeat_at=silent)
    assert sweep_exports(now=timezone.now()) == [job.pk]
    old = ExportJob.objects.get(pk=job.pk)
    assert run_export(job.pk)
    assert finished(job).state == ExportState.DONE
    assert job.tries == 2
    with pytest.raises(jobs.ClaimLost):
        jobs._finish(old, directory / "late", jobs.Written(1, 1))
    assert len(list(directory.iterdir())) == 1


def test_after_three_tries_it_is_given_up(rows):
    job = ask(analyst())
    silent = timezone.now() - timedelta(seconds=61)
    ExportJob.objects.update(state=ExportState.RUNNING, tries=3, heartbeat_at=silent)
    assert sweep_exports(now=timezone.now()) == []
    assert finished(job).state == ExportState.FAILED


def test_what_the_database_refuses_is_told(rows, monkeypatch, directory):
    def refuse(*args, **kwargs):
        raise DatabaseError("disk full")

    job = ask(analyst())
    monkeypatch.setattr(jobs, "write_export", refuse)
    assert not run_export(job.pk)
    done = finished(job)
    assert (done.state, done.error, done.detail) == (ExportState.FAILED, "database", "disk full")


def test_a_file_is_for_its_owner_with_permission_and_companies(rows):
    person = analyst(companies=["10001"])
    job = ask(person)
    assert run_export(job.pk)
    finished(job)
    now = timezone.now()
    assert file_for(job, user=person, now=now).is_file()
    for other in (analyst("other"), User.objects.create(username="chief", is_staff=True, is_superuser=True)):
        with pytest.raises(PermissionDenied):
            file_for(job, user=other, now=now)
    person.scope.companies.clear()
    with pytest.raises(PermissionDenied):
        file_for(job, user=User.objects.get(pk=person.pk), now=now)


def test_an_expired_file_is_refused_and_then_removed(rows, directory):
    person = analyst()
    job = ask(person)
    assert run_export(job.pk)
    end = finished(job).expires_at
    with pytest.raises(FileNotFoundError):
        file_for(job, user=person, now=end)
    sweep_exports(now=end - timedelta(seconds=1))
    assert len(list(directory.iterdir())) == 1
    sweep_exports(now=end)
    assert list(directory.iterdir()) == []
    assert finished(job).state == ExportState.EXPIRED


def test_parquet(rows):
    person = analyst()
    job = ask(person, table="commands", form=Form.PARQUET, shape=Shape(bom=True, gzip=True))
    assert run_export(job.pk)
    assert file_for(finished(job), user=person, now=timezone.now()).read_bytes()[:4] == b"PAR1"
