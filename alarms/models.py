"""Alarms of meters, every occurrence of them, and the thresholds of the platform's own (2003, appendix two)."""

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils.translation import gettext_lazy as _

from meters.models import Meter
from protocol.models import Manufacturer
from protocol.wire import long_time


class AlarmType(models.TextChoices):
    """Appendix two."""

    COMMUNICATION = "01", _("communication failure")
    LEAK = "02", _("gas leak")
    REED_SWITCH = "03", _("reed switch broken")
    VALVE_LEAK = "04", _("valve leaks")
    VALVE = "05", _("valve failure")
    BATTERY = "06", _("battery failure")
    MAGNET = "07", _("strong magnetic interference")


class Priority(models.IntegerChoices):
    LOW = 1, _("low")
    MEDIUM = 2, _("medium")
    HIGH = 3, _("high")


# Appendix two's own priorities; a message may say otherwise.
PRIORITIES: Final = {type: Priority.MEDIUM if type == AlarmType.MAGNET else Priority.HIGH for type in AlarmType}


class AlarmState(models.TextChoices):
    OPEN = "open", _("unhandled")
    ACKNOWLEDGED = "acknowledged", _("acknowledged")
    CLEARED = "cleared", _("cleared")


UNCLEARED: Final = (AlarmState.OPEN, AlarmState.ACKNOWLEDGED)


class Source(models.TextChoices):
    HEADEND = "headend", _("head-end")
    PLATFORM = "platform", _("platform")


class Because(models.TextChoices):
    """Why an alarm was cleared, where nobody has said it in words of their own."""

    BY_STAFF = "by_staff", _("cleared by staff")
    REPORTS_AGAIN = "reports_again", _("reports again")
    VALVE_AGREES = "valve_agrees", _("the valve is as it was commanded")
    BATTERY_BACK = "battery_back", _("the battery is above its threshold again")
    REPLACED = "replaced", _("replaced by another meter")


class Alarm(models.Model):
    """Something wrong with a meter until it is cleared. A repeat counts: content and priority are of the latest."""

    meter = models.ForeignKey(Meter, models.PROTECT, verbose_name=_("meter"), related_name="alarms")
    type = models.CharField(_("alarm type"), max_length=2, choices=AlarmType)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority)
    priority_differs = models.GeneratedField(
        verbose_name=_("priority differs from the appendix"),
        expression=Case(
            *(When(type=type.value, then=~Q(priority=priority.value)) for type, priority in PRIORITIES.items()),
            default=Value(False),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    content = models.CharField(_("content"), max_length=255)
    state = models.CharField(_("state"), max_length=12, choices=AlarmState, default=AlarmState.OPEN)
    first_at = models.DateTimeField(_("first at"))
    last_at = models.DateTimeField(_("last at"))
    occurrences = models.PositiveIntegerField(_("occurrences"), default=1)
    by_headend = models.BooleanField(
        _("reported by the head-end"),
        default=False,
        help_text=_("Then what the platform measures itself does not clear it; a report still ends a silence."),
    )
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("acknowledged by"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    cleared_at = models.DateTimeField(_("cleared at"), null=True, blank=True)
    cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("cleared by"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        help_text=_("Empty when the platform has cleared it."),
    )
    cleared_because = models.CharField(_("cleared because"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        constraints: ClassVar = [
            # Readers: whoever raises an alarm, and every report of the meter.
            models.UniqueConstraint(
                fields=["meter", "type"], condition=Q(state__in=["open", "acknowledged"]), name="alarm_one_uncleared"
            ),
            models.CheckConstraint(
                condition=Q(state="cleared", cleared_at__isnull=False)
                | Q(state__in=["open", "acknowledged"], cleared_at__isnull=True),
                name="alarm_cleared_with_a_date",
            ),
            models.CheckConstraint(condition=Q(first_at__lte=F("last_at")), name="alarm_first_before_last"),
        ]
        indexes: ClassVar = [
            # Reader: the admin's list of what needs a person.
            models.Index(fields=["id"], name="alarm_uncleared", condition=Q(state__in=["open", "acknowledged"])),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.get_type_display()}"


class AlarmOccurrence(models.Model):
    """One time that an alarm was raised, as it was told. Rows are only ever added."""

    alarm = models.ForeignKey(Alarm, models.CASCADE, verbose_name=_("alarm"), related_name="history")
    at = models.DateTimeField(_("at"))
    content = models.CharField(_("content"), max_length=255)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Priority)
    source = models.CharField(_("source"), max_length=8, choices=Source)

    class Meta:
        verbose_name = _("alarm occurrence")
        verbose_name_plural = _("alarm occurrences")

    def __str__(self) -> str:
        return f"{long_time(self.at)} {self.content}"


class AlarmThresholds(models.Model):
    """When the platform raises alarms of its own for the meters of a manufacturer; empty means the setting."""

    manufacturer = models.OneToOneField(
        Manufacturer, models.CASCADE, verbose_name=_("manufacturer"), related_name="alarm_thresholds"
    )
    silent_days = models.PositiveSmallIntegerField(
        _("silent days"),
        null=True,
        blank=True,
        help_text=_("Without a report for this long: communication failure. Empty: ALARM_SILENT_DAYS."),
    )
    battery_volts = models.DecimalField(
        _("battery (V)"),
        max_digits=6,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Below this: battery failure; 0 for never. Empty: ALARM_BATTERY_VOLTS."),
    )

    class Meta:
        verbose_name = _("alarm thresholds")
        verbose_name_plural = _("alarm thresholds")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(silent_days__isnull=True) | Q(silent_days__gte=1), name="thresholds_a_day_at_least"
            ),
            models.CheckConstraint(
                condition=Q(battery_volts__isnull=True) | Q(battery_volts__gte=0), name="thresholds_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return str(self.manufacturer)
