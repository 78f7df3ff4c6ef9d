"""What an export is of, and why it failed, in the reader's language."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from analysis.filters import FILTERS
from analysis.models import ExportError, ExportJob
from analysis.tables import TABLES
from staff.filter_words import filter_words


def table_words(name: str) -> str:
    return str(TABLES[name].model._meta.verbose_name_plural) if name in TABLES else name


def rows_words(table: str, asked: dict[str, Any], request: HttpRequest | None = None) -> str:
    """Which rows were asked for: chosen ones, those of a list, or those of the interface's filters."""
    if "ids" in asked:
        count = len(asked["ids"])
        return ngettext("%(count)d chosen row", "%(count)d chosen rows", count) % {"count": count}
    if "list" in asked:
        return filter_words(TABLES[table].model, asked["list"], request)
    labels = FILTERS[table].base_filters
    named = [f"{labels[name].label}: {value}" for name, value in asked.get("filters", {}).items() if name in labels]
    return "; ".join(named) or _("everything")


def shape_words(job: ExportJob) -> str:
    shape = job.shape
    told = [
        job.form.upper(),
        _("stable English names") if shape.get("language") is None else _("words of the reader's language"),
        _("local times instead of ISO") if shape.get("local_times") else _("ISO times"),
        _("byte order mark (for Excel)") if shape.get("bom") else "",
        _("packed (gzip)") if shape.get("gzip") else "",
    ]
    return " · ".join(filter(None, told if job.form == "csv" else told[:1]))


def error_words(job: ExportJob) -> str:
    """ "" for what has not failed; what rows of earlier versions hold, as it is."""
    if job.error not in ExportError.values:
        return job.error
    return str(ExportError(job.error).label) % {"detail": job.detail}
