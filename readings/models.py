"""Readings as they came, and the daily usage settled from them (2001, 1013, 1015, R10)."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meters.models import Meter, ValveState
from protocol.wire import long_time


class Quality(models.TextChoices):
    """Why a reading is left out of settlement; a valid one is not."""

    VALID = "valid", _("valid")
    EARLY = "early", _("before the meter's life")
    CONFLICT = "conflict", _("another index at the same moment")
    DECREASE = "decrease", _("below an earlier index")
    JUMP = "jump", _("jump beyond the limit")
    REJECTED = "rejected", _("rejected by the staff")


class Decision(models.TextChoices):
    """What the staff decided about a reading; most are decided by the rules alone."""

    NONE = "", _("none")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")


class Source(models.TextChoices):
    REPORT = "report", _("report")
    BACKFILL = "backfill", _("backfilled day (addGas)")
    CLOSING = "closing", _("closing reading")


class Reading(models.Model):
    """The register index at a moment, as reported. It is never altered; only the verdict, `quality`, may change.

    Late data and the staff's `decision` (readings/review.py) have it judged anew. Partitioned by month of `read_at`:
    give every query a range of it where there is one.
    """

    # Written for locked accounts, whose meters cannot be deleted.
    meter = models.ForeignKey(
        Meter, models.PROTECT, verbose_name=_("meter"), related_name="readings", db_index=False, db_constraint=False
    )
    read_at = models.DateTimeField(_("read at"))
    index = models.DecimalField(_("index (m³)"), max_digits=14, decimal_places=4)
    quality = models.CharField(_("quality"), max_length=8, choices=Quality)
    decision = models.CharField(_("decision"), max_length=8, choices=Decision, blank=True, default=Decision.NONE)
    source = models.CharField(_("source"), max_length=8, choices=Source)
    received_at = models.DateTimeField(_("received at"))
    battery_voltage = models.DecimalField(_("battery (V)"), max_digits=8, decimal_places=4, null=True, blank=True)
    signal_percent = models.DecimalField(_("signal (%)"), max_digits=8, decimal_places=4, null=True, blank=True)
    temperature = models.DecimalField(_("temperature (°C)"), max_digits=8, decimal_places=4, null=True, blank=True)
    standard_total = models.DecimalField(
        _("standard total (m³)"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    working_total = models.DecimalField(_("working total (m³)"), max_digits=14, decimal_places=4, null=True, blank=True)
    standard_flow = models.DecimalField(
        _("standard flow (m³/h)"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    working_flow = models.DecimalField(_("working flow (m³/h)"), max_digits=14, decimal_places=4, null=True, blank=True)
    pressure = models.DecimalField(_("pressure (kPa)"), max_digits=14, decimal_places=4, null=True, blank=True)
    valve = models.CharField(_("valve"), max_length=7, choices=ValveState, blank=True)
    reported_price = models.DecimalField(
        _("price in the meter (CNY/m³)"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    reported_balance = models.DecimalField(
        _("balance in the meter (CNY)"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    reported_volume = models.DecimalField(
        _("total volume by the meter (m³)"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    reported_amount = models.DecimalField(
        _("total amount by the meter (CNY)"), max_digits=14, decimal_places=4, null=True, blank=True
    )

    class Meta:
        verbose_name = _("reading")
        verbose_name_plural = _("readings")
        constraints: ClassVar = [
            # In the database the primary key. Readers: intake (is this reading known?), settlement and 1013 (the
            # readings of a meter by time).
            models.UniqueConstraint(
                fields=["meter", "read_at", "index"], include=["quality"], name="reading_known_once"
            ),
            models.CheckConstraint(condition=Q(index__gte=0), name="reading_index_not_negative"),
        ]
        indexes: ClassVar = [
            # Readers: the staff's list, newest first; settlement of a day by many meters.
            models.Index(fields=["read_at"], name="reading_read_at"),
            # Reader: the staff's list of flagged readings.
            models.Index(fields=["read_at"], name="reading_flagged", condition=~Q(quality="valid")),
            # Readers: the analysts' list of what is flagged, in its order; the lists of whoever sees few meters.
            models.Index(
                fields=["meter", "read_at", "index"], name="reading_flagged_of_meter", condition=~Q(quality="valid")
            ),
            # Reader: the staff's list of one kind of flag.
            models.Index(fields=["quality", "read_at"], name="reading_of_verdict", condition=~Q(quality="valid")),
            # Reader: the analysts' list of what was backfilled or closed a meter.
            models.Index(fields=["source", "read_at"], name="reading_of_source", condition=~Q(source="report")),
            # Readers: the queue of readings that nobody has decided about yet, and its figure on the home page.
            models.Index(fields=["read_at"], name="reading_undecided", condition=~Q(quality="valid") & Q(decision="")),
            # Reader: the staff's page of one reading. Some kilobytes: ids rise with the pages of a partition.
            BrinIndex(fields=["id"], name="reading_id", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {long_time(self.read_at)} {self.index}"


class ReadingReview(models.Model):
    """One decision of the staff about one reading, known by meter, moment and index. Only ever added."""

    meter = models.ForeignKey(Meter, models.PROTECT, verbose_name=_("meter"), related_name="reviews", db_index=False)
    read_at = models.DateTimeField(_("read at"))
    index = models.DecimalField(_("index (m³)"), max_digits=14, decimal_places=4)
    decision = models.CharField(_("decision"), max_length=8, choices=Decision)
    quality_before = models.CharField(_("quality before"), max_length=8, choices=Quality)
    quality_after = models.CharField(_("quality after"), max_length=8, choices=Quality)
    note = models.CharField(_("note"), max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("by"), related_name="+", db_index=False
    )
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("review of a reading")
        verbose_name_plural = _("reviews of readings")
        indexes: ClassVar = [
            # Reader: the page of a reading.
            models.Index(fields=["meter", "read_at"], name="review_of_reading"),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {long_time(self.read_at)} {self.get_decision_display()}"


class DailyUsage(models.Model):
    """What a meter used on one local day in one tier: `volume` m3 at `unit_price` CNY/m3 is `amount` CNY (1015).

    Partitioned by month of `day`: give every query a range of it where there is one.
    """

    # Settlement writes these by the million from locked accounts, whose meters cannot be deleted.
    meter = models.ForeignKey(
        Meter, models.PROTECT, verbose_name=_("meter"), related_name="daily_usage", db_index=False, db_constraint=False
    )
    day = models.DateField(_("day"))
    tier = models.PositiveSmallIntegerField(_("tier"))
    volume = models.DecimalField(_("volume (m³)"), max_digits=14, decimal_places=4)
    unit_price = models.DecimalField(_("unit price (CNY/m³)"), max_digits=14, decimal_places=4)
    amount = models.DecimalField(_("amount (CNY)"), max_digits=20, decimal_places=4)

    class Meta:
        verbose_name = _("daily usage")
        verbose_name_plural = _("daily usage")
        constraints: ClassVar = [
            # In the database the primary key. Readers: 1015 and settlement (the days of a meter), the staff's list.
            models.UniqueConstraint(fields=["meter", "day", "tier"], name="daily_usage_once"),
            models.CheckConstraint(condition=Q(volume__gte=0, amount__gte=0), name="daily_usage_not_negative"),
        ]
        indexes: ClassVar = [
            # Reader: the home page's figures of a day. Days are settled one after another, so their rows lie together.
            BrinIndex(fields=["day"], name="daily_usage_of_day", pages_per_range=32, autosummarize=True),
            # Reader: the staff's page of one row. Some kilobytes, as with readings.
            BrinIndex(fields=["id"], name="daily_usage_id", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.day} #{self.tier}"
