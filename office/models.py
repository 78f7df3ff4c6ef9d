"""Figures counted ahead for the home page."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from protocol.models import Company


class FleetFigures(models.Model):
    """How a company's fleet stood at a moment. Counted by a task: no page waits for it."""

    company = models.OneToOneField(
        Company, models.CASCADE, verbose_name=_("company"), related_name="+", primary_key=True
    )
    at = models.DateTimeField(_("at"))
    meters = models.PositiveIntegerField(_("meters"))
    active = models.PositiveIntegerField(_("active"))
    reporting = models.PositiveIntegerField(_("reporting today"))
    valve_open = models.PositiveIntegerField(_("valve open"))
    valve_closed = models.PositiveIntegerField(_("valve closed"))
    in_arrears = models.PositiveIntegerField(_("in arrears"))

    class Meta:
        verbose_name = _("fleet figures")
        verbose_name_plural = _("fleet figures")

    def __str__(self) -> str:
        return str(self.company)


class DayFigures(models.Model):
    """What the meters of a company used on a day, as settled: m3 and CNY."""

    company = models.ForeignKey(Company, models.CASCADE, verbose_name=_("company"), related_name="+", db_index=False)
    day = models.DateField(_("day"))
    volume = models.DecimalField(_("volume (m³)"), max_digits=24, decimal_places=4)
    amount = models.DecimalField(_("amount (CNY)"), max_digits=24, decimal_places=4)

    class Meta:
        verbose_name = _("figures of a day")
        verbose_name_plural = _("figures of days")
        constraints: ClassVar = [models.UniqueConstraint(fields=["company", "day"], name="day_figures_once")]

    def __str__(self) -> str:
        return f"{self.company_id} {self.day}"


class HourFigures(models.Model):
    """One hour of a company: readings by when they were taken, commands by their end, callbacks by their birth."""

    company = models.ForeignKey(Company, models.CASCADE, verbose_name=_("company"), related_name="+", db_index=False)
    hour = models.DateTimeField(_("hour"))
    readings = models.PositiveIntegerField(_("readings"), default=0)
    commands_done = models.PositiveIntegerField(_("commands done"), default=0)
    commands_not_done = models.PositiveIntegerField(_("commands not done"), default=0)
    callbacks = models.PositiveIntegerField(_("callbacks delivered"), default=0)
    callback_seconds = models.FloatField(_("seconds until delivered, added up"), default=0)

    class Meta:
        verbose_name = _("figures of an hour")
        verbose_name_plural = _("figures of hours")
        constraints: ClassVar = [models.UniqueConstraint(fields=["company", "hour"], name="hour_figures_once")]

    def __str__(self) -> str:
        return f"{self.company_id} {self.hour}"
