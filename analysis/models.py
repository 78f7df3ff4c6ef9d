"""Exports that run in the background, and the tokens with which programs of analysts sign in."""

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ExportState(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("being written")
    DONE = "done", _("ready")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("expired")


class ExportError(models.TextChoices):
    """Why an export failed, as a sentence about `ExportJob.detail`; `analysis.words` fills it in."""

    NOT_ALLOWED = "not_allowed", _("Its owner may not export this any more.")
    ROWS = "rows", _("Its filters do not fit the table any more: %(detail)s")
    NO_PARQUET = "no_parquet", _("The server lacks what Parquet needs.")
    DATABASE = "database", _("The database broke it off: %(detail)s")
    DISK = "disk", _("The file could not be written: %(detail)s")
    LOST = "lost", _("Its worker was lost again and again. Ask for less at once, or tell your administrator.")


UNFINISHED: Final = (ExportState.QUEUED, ExportState.RUNNING)


class ExportJob(models.Model):
    """One export for one person. `asked` says which rows: {"filters": {…}}, {"list": "query string"} or {"ids": […]}.

    A worker holds it by `claim` as long as `heartbeat_at` is fresh; the file is complete or not there.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("asked by"), related_name="+")
    table = models.CharField(_("table"), max_length=20)
    asked = models.JSONField(_("which rows"), default=dict)
    form = models.CharField(_("format"), max_length=7)
    shape = models.JSONField(_("how it is written"), default=dict)
    # Whose rows are in the file; null means everybody's.
    companies = models.JSONField(_("companies"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=ExportState, default=ExportState.QUEUED)
    rows = models.BigIntegerField(_("rows"), default=0)
    estimate = models.BigIntegerField(_("rows expected"), default=0)
    size = models.BigIntegerField(_("bytes"), default=0)
    file_name = models.CharField(_("file"), max_length=100, blank=True)
    # An ExportError; as wide as the texts that rows of earlier versions hold.
    error = models.CharField(_("error"), max_length=300, blank=True)
    detail = models.CharField(_("detail"), max_length=300, blank=True, default="", db_default="")
    claim = models.UUIDField(null=True, blank=True, editable=False)
    # Reader: whoever sends the same form once more, and is led to what it made. Null where no form asked.
    page = models.UUIDField(unique=True, null=True, blank=True, editable=False)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    created_at = models.DateTimeField(_("asked at"))
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        indexes: ClassVar = [
            # Reader: the sweep, for what waits, has lost its worker, or has expired.
            models.Index(fields=["state"], name="export_live", condition=Q(state__in=["queued", "running", "done"])),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class ApiToken(models.Model):
    """Lets a program of `user` read the analysts' API. Of the token only its digest is kept.

    Whoever made it has seen its text: it is good as long as they may do and see all that its user may.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="+")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("made by"),
        related_name="+",
        editable=False,
        db_index=False,
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("What the token is for."))
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return self.name
