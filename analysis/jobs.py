"""Exports in the background: asked for, claimed by one worker at a time, cancelled, swept, downloaded."""

import logging
import time
import uuid
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from analysis.access import may_export
from analysis.copying import Shape
from analysis.estimates import estimated_rows
from analysis.files import Form, Written, write_export
from analysis.filters import FilterInvalid, UnknownFilter
from analysis.lists import rows_asked
from analysis.models import UNFINISHED, ExportError, ExportJob, ExportState
from analysis.parquet import ParquetMissing
from analysis.tables import TABLES
from staff.acts import put_on_record
from staff.scope import companies_of, sees_all

logger = logging.getLogger(__name__)

TRIES: Final = 3
# Without a sign of life for this long a worker counts as dead.
SILENCE: Final = timedelta(seconds=60)
BEAT_SECONDS: Final = 1.0


class FileMissing(FileNotFoundError):
    """The export is done, and its file is not in this process's EXPORT_DIR."""


class ClaimLost(RuntimeError):
    """Somebody cancelled the export, or another worker has taken it over."""


@transaction.atomic
def ask_for_export(
    *,
    owner: User,
    table: str,
    asked: dict[str, Any],
    form: Form,
    shape: Shape,
    now: datetime,
    page: uuid.UUID | None = None,
) -> ExportJob:
    """A queued export, on record; `page` is the spent token of the form that asked for it.

    Raises PermissionDenied, and what rows_asked raises.
    """
    if not may_export(owner, TABLES[table]):
        raise PermissionDenied
    rows = rows_asked(TABLES[table], asked, user=owner)
    job = ExportJob.objects.create(
        owner=owner,
        table=table,
        asked=asked,
        form=form,
        shape=asdict(shape),
        estimate=estimated_rows(rows),
        created_at=now,
        page=page,
    )
    put_on_record(by=owner, act="export.file", target=job, after={"table": table, "asked": asked, "form": form})
    return job


def cancel_export(job: ExportJob, *, by: User, now: datetime) -> bool:
    """False when it had finished already."""
    with transaction.atomic():
        cancelled = ExportJob.objects.filter(pk=job.pk, state__in=UNFINISHED).update(
            state=ExportState.CANCELLED, finished_at=now, claim=None
        )
        if cancelled:
            put_on_record(by=by, act="export.cancel", target=job)
    return bool(cancelled)


def run_export(job_id: int) -> bool:
    """Claim the export and write its file from the beginning; False when there is nothing to do or it was cancelled."""
    claim = uuid.uuid4()
    waiting = Q(state=ExportState.QUEUED) | Q(state=ExportState.RUNNING, heartbeat_at__lt=timezone.now() - SILENCE)
    claimed = ExportJob.objects.filter(waiting, pk=job_id, tries__lt=TRIES).update(
        state=ExportState.RUNNING, claim=claim, heartbeat_at=timezone.now(), tries=F("tries") + 1, rows=0
    )
    if not claimed:
        return False
    job = ExportJob.objects.select_related("owner").get(pk=job_id)
    try:
        _write(job)
    except ClaimLost:
        return False
    except PermissionDenied:
        _fail(job, ExportError.NOT_ALLOWED)
        return False
    except (FilterInvalid, UnknownFilter, IncorrectLookupParameters) as error:
        _fail(job, ExportError.ROWS, ", ".join(getattr(error, "problems", None) or getattr(error, "names", [])))
        return False
    except ParquetMissing:
        _fail(job, ExportError.NO_PARQUET)
        return False
    except (DatabaseError, OSError) as error:
        logger.exception("export %s failed", job_id)
        _fail(job, ExportError.DISK if isinstance(error, OSError) else ExportError.DATABASE, str(error))
        return False
    return True


def _write(job: ExportJob) -> None:
    table, form, shape = TABLES[job.table], Form(job.form), Shape(**job.shape)
    if not may_export(job.owner, table):
        raise PermissionDenied
    # Noted before the rows are chosen, so that a change of scope in between is found at the download.
    job.companies = None if sees_all(job.owner) else sorted(companies_of(job.owner).values_list("pk", flat=True))
    rows = rows_asked(table, job.asked, user=job.owner)
    suffix = ".parquet" if form is Form.PARQUET else shape.suffix
    path = export_directory() / f"{job.table}-{job.claim}{suffix}"
    # COPY keeps its connection busy; progress is told on the other one.
    apart = connection.copy()
    try:
        written = write_export(
            rows, table=table, path=path, form=form, shape=shape, connection=apart, told=_Progress(job).tell
        )
    finally:
        apart.close()
    _finish(job, path, written)


def _finish(job: ExportJob, path: Path, written: Written) -> None:
    now = timezone.now()
    done = _mine(job).update(
        state=ExportState.DONE,
        rows=written.rows,
        size=written.size,
        companies=job.companies,
        file_name=path.name,
        finished_at=now,
        expires_at=now + timedelta(hours=settings.EXPORT_LIFE_HOURS),
    )
    if not done:
        path.unlink(missing_ok=True)
        raise ClaimLost


class _Progress:
    def __init__(self, job: ExportJob) -> None:
        self.job = job
        self.told_at = time.monotonic()

    def tell(self, rows: int) -> None:
        """Raises ClaimLost when the export is no longer this worker's."""
        if time.monotonic() - self.told_at < BEAT_SECONDS:
            return
        self.told_at = time.monotonic()
        if not _mine(self.job).update(rows=rows, heartbeat_at=timezone.now()):
            raise ClaimLost


def _mine(job: ExportJob) -> Any:
    return ExportJob.objects.filter(pk=job.pk, claim=job.claim, state=ExportState.RUNNING)


def _fail(job: ExportJob, error: ExportError, detail: str = "") -> None:
    _mine(job).update(state=ExportState.FAILED, error=error, detail=detail[:300], finished_at=timezone.now())


def export_directory() -> Path:
    """Where the files are; made when it is missing, for the platform's own eyes."""
    directory = Path(settings.EXPORT_DIR)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def sweep_exports(*, now: datetime) -> list[int]:
    """Expire files, give up what failed too often, clear up after dead workers; the exports that wait for a worker."""
    for job in ExportJob.objects.filter(state=ExportState.DONE, expires_at__lte=now):
        (export_directory() / job.file_name).unlink(missing_ok=True)
        ExportJob.objects.filter(pk=job.pk).update(state=ExportState.EXPIRED, file_name="")
    silent = Q(state=ExportState.RUNNING, heartbeat_at__lt=now - SILENCE)
    ExportJob.objects.filter(silent, tries__gte=TRIES).update(
        state=ExportState.FAILED, error=ExportError.LOST, finished_at=now
    )
    for part in export_directory().glob(".*.part"):
        if part.stat().st_mtime < (now - timedelta(hours=1)).timestamp():
            part.unlink(missing_ok=True)
    return list(ExportJob.objects.filter(silent | Q(state=ExportState.QUEUED)).values_list("pk", flat=True))


def file_for(job: ExportJob, *, user: User, now: datetime) -> Path:
    """The file, for its owner alone, who may still export and still sees every company in it.

    Raises PermissionDenied; FileNotFoundError when it is not ready or has expired; FileMissing when it is gone.
    """
    if user.pk != job.owner_id or not may_export(user, TABLES[job.table]):
        raise PermissionDenied
    if job.state != ExportState.DONE or job.expires_at is None or job.expires_at <= now:
        raise FileNotFoundError(job.file_name)
    if not _sees(user, job.companies):
        raise PermissionDenied
    path = export_directory() / job.file_name
    if not path.is_file():
        raise FileMissing(job.file_name)
    return path


def _sees(user: User, companies: list[int] | None) -> bool:
    if sees_all(user):
        return True
    return companies is not None and set(companies) <= set(companies_of(user).values_list("pk", flat=True))
