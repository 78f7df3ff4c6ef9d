"""Price tables (1007, R9): a price has versions in time, a version has tiers."""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from protocol.models import Company, Manufacturer


class PriceKind(models.TextChoices):
    SINGLE = "1", _("single price")
    TIERED = "2", _("tiered price")


class Price(models.Model):
    """A price of one company and manufacturer, known on the wire by its priceCode."""

    company = models.ForeignKey(
        Company, models.PROTECT, verbose_name=_("company"), related_name="prices", db_index=False
    )
    manufacturer = models.ForeignKey(
        Manufacturer, models.PROTECT, verbose_name=_("manufacturer"), related_name="prices"
    )
    code = models.CharField(_("price code"), max_length=64)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["company", "manufacturer", "code"], name="price_code_unique"),
        ]

    def __str__(self) -> str:
        return self.code


class PriceVersionQuerySet(models.QuerySet["PriceVersion"]):
    def in_effect(self, day: date) -> Self:
        """Versions that have begun by `day`, the one in effect first."""
        begun = Q(effective_from__isnull=True) | Q(effective_from__lte=day)
        return self.filter(begun).order_by(F("effective_from").desc(nulls_last=True))


class PriceVersion(models.Model):
    """The tiers of a price from `effective_from` on (None: no lower bound) until the next version begins."""

    price = models.ForeignKey(Price, models.CASCADE, verbose_name=_("price"), related_name="versions", db_index=False)
    version = models.CharField(_("version"), max_length=64)
    kind = models.CharField(_("kind"), max_length=1, choices=PriceKind)
    effective_from = models.DateField(_("effective from"), null=True, blank=True)
    cycle_months = models.PositiveSmallIntegerField(
        _("cycle length (months)"),
        default=1,
        help_text=_("Cycles are aligned to the calendar: months are counted from January 2000."),
    )
    restarts_cycle = models.BooleanField(
        _("restarts the cycle"),
        default=False,
        help_text=_("The volume used in the running cycle counts from zero when this version takes effect."),
    )
    applied_at = models.DateTimeField(
        _("applied at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When settlement took this version up and marked the days it changes for settling again."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = PriceVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("price version")
        verbose_name_plural = _("price versions")
        ordering: ClassVar = ["price", F("effective_from").asc(nulls_first=True)]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["price", "version"], name="price_version_unique"),
            models.UniqueConstraint(
                fields=["price", "effective_from"], nulls_distinct=False, name="price_version_one_per_day"
            ),
            models.CheckConstraint(condition=Q(cycle_months__gte=1), name="price_version_cycle_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.price} {self.version}"


class PriceTier(models.Model):
    """One tier: volumes in (lower, upper] m3 of a cycle cost `unit_price` CNY/m3; the last tier is open."""

    version = models.ForeignKey(
        PriceVersion, models.CASCADE, verbose_name=_("version"), related_name="tiers", db_index=False
    )
    position = models.PositiveSmallIntegerField(_("tier"))
    lower = models.DecimalField(_("above (m³)"), max_digits=14, decimal_places=4)
    upper = models.DecimalField(_("up to (m³)"), max_digits=14, decimal_places=4, null=True, blank=True)
    unit_price = models.DecimalField(_("unit price (CNY/m³)"), max_digits=14, decimal_places=4)

    class Meta:
        verbose_name = _("price tier")
        verbose_name_plural = _("price tiers")
        ordering: ClassVar = ["version", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "position"], name="price_tier_position_unique"),
            models.CheckConstraint(condition=Q(upper__isnull=True) | Q(upper__gt=F("lower")), name="price_tier_rises"),
            models.CheckConstraint(condition=Q(lower__gte=0, unit_price__gte=0), name="price_tier_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.version} #{self.position}"
