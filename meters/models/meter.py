"""Meters, their latest state and the prices they had (1001, 1002, 1008, 1009, 1014, R7, R8)."""

from datetime import date
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from pricing.models import Price
from protocol.models import Company, Manufacturer


class MeterType(models.TextChoices):
    """Appendix five."""

    IOT_10 = "441", _("IoT type 10")
    IOT_40 = "502", _("IoT type 40")
    NB_10 = "10521", _("NB-IoT type 10")
    NB_40 = "10522", _("NB-IoT type 40")
    COMPENSATED_10 = "10523", _("temperature-compensated type 10")
    THERMAL_R1 = "10524", _("thermal R1")


class CustomerType(models.TextChoices):
    """Appendix three."""

    INDUSTRIAL = "01", _("industrial")
    RESIDENTIAL = "02", _("residential")
    WALL_BOILER = "03", _("wall-hung boiler")
    COLLECTIVE = "04", _("collective")
    RESIDENTIAL_HEATING = "05", _("residential heating")
    COMMERCIAL = "06", _("commercial")
    PUBLIC_WELFARE = "07", _("public welfare")
    COAL_TO_GAS = "08", _("residential coal-to-gas")
    MINIMUM_LIVING = "09", _("minimum living guarantee")


class BillingModel(models.TextChoices):
    """Who keeps the money (R11)."""

    METER = "1", _("settled in the meter")
    CIS = "2", _("settled by the CIS")
    PLATFORM = "3", _("settled by the platform")


class PayMode(models.TextChoices):
    PREPAID = "1", _("prepaid")
    POSTPAID = "2", _("postpaid")


class ValveState(models.TextChoices):
    """The platform's own words; each message has its own codes for them (R8)."""

    OPEN = "open", _("open")
    CLOSED = "closed", _("closed")
    UNKNOWN = "unknown", _("unknown")


class MeterStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    ENDED = "ended", _("ended")


class Meter(models.Model):
    """One registration of one meter at one customer: its own record with its own history (R7)."""

    company = models.ForeignKey(Company, models.PROTECT, verbose_name=_("company"), related_name="meters")
    manufacturer = models.ForeignKey(
        Manufacturer, models.PROTECT, verbose_name=_("manufacturer"), related_name="meters"
    )
    user_no = models.CharField(_("user number"), max_length=17)
    meter_no = models.CharField(_("meter number"), max_length=12)
    device_id = models.CharField(_("device id"), max_length=64)
    comm_no = models.CharField(_("communication number"), max_length=64, blank=True)
    meter_type = models.CharField(_("meter type"), max_length=5, choices=MeterType)
    user_name = models.CharField(_("user name"), max_length=100, blank=True)
    address = models.CharField(_("address"), max_length=255, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    customer_type = models.CharField(_("customer type"), max_length=2, choices=CustomerType, blank=True)
    billing_model = models.CharField(_("billing model"), max_length=1, choices=BillingModel)
    pay_mode = models.CharField(_("pay mode"), max_length=1, choices=PayMode)
    overdraft = models.DecimalField(_("overdraft (CNY)"), max_digits=14, decimal_places=4, default=0)
    status = models.CharField(_("status"), max_length=6, choices=MeterStatus, default=MeterStatus.ACTIVE)
    registered_at = models.DateTimeField(_("in service since"))
    initial_index = models.DecimalField(_("initial index (m³)"), max_digits=14, decimal_places=4)
    initial_cycle_volume = models.DecimalField(
        _("volume used before in the first cycle (m³)"), max_digits=14, decimal_places=4, default=0
    )
    created_at = models.DateTimeField(_("created at"), editable=False)
    replaces = models.OneToOneField(
        "self", models.PROTECT, verbose_name=_("replaces"), related_name="replaced_by", null=True, blank=True
    )
    origin = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("first of its replacements"),
        related_name="descendants",
        null=True,
        blank=True,
        help_text=_("The first meter of a chain of replacements; empty for a meter that replaces none."),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    closing_index = models.DecimalField(_("closing index (m³)"), max_digits=14, decimal_places=4, null=True, blank=True)
    end_reason = models.CharField(_("reason of the end"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("meter")
        verbose_name_plural = _("meters")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["company", "user_no"], condition=Q(status="active"), name="meter_user_no_active"
            ),
            models.UniqueConstraint(
                fields=["manufacturer", "meter_no"], condition=Q(status="active"), name="meter_meter_no_active"
            ),
            models.UniqueConstraint(fields=["device_id"], condition=Q(status="active"), name="meter_device_id_active"),
            models.CheckConstraint(
                condition=Q(initial_index__gte=0, initial_cycle_volume__gte=0, overdraft__gte=0),
                name="meter_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(status="active", ended_at__isnull=True) | Q(status="ended", ended_at__isnull=False),
                name="meter_ended_with_a_date",
            ),
        ]
        indexes: ClassVar = [
            # Readers: the admin's search and 1015, which also ask for meters that have ended.
            models.Index(fields=["user_no"], name="meter_user_no"),
            models.Index(fields=["meter_no"], name="meter_meter_no"),
        ]

    def __str__(self) -> str:
        return f"{self.meter_no} ({self.user_no})"


class MeterPriceQuerySet(models.QuerySet["MeterPrice"]):
    def on(self, day: date) -> Self:
        """The rows that hold on `day`: at most one per meter."""
        return self.filter(Q(ends__isnull=True) | Q(ends__gt=day), starts__lte=day)


class MeterPrice(models.Model):
    """The price of a meter in the days [starts, ends); the current one has no end."""

    meter = models.ForeignKey(
        Meter, models.CASCADE, verbose_name=_("meter"), related_name="meter_prices", db_index=False
    )
    price = models.ForeignKey(Price, models.PROTECT, verbose_name=_("price"), related_name="meter_prices")
    starts = models.DateField(_("from"))
    ends = models.DateField(_("until (exclusive)"), null=True, blank=True)

    objects = MeterPriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("meter price")
        verbose_name_plural = _("meter prices")
        ordering: ClassVar = ["meter", "starts"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["meter", "starts"], name="meter_price_one_per_day"),
            models.UniqueConstraint(fields=["meter"], condition=Q(ends__isnull=True), name="meter_price_one_current"),
            models.CheckConstraint(condition=Q(ends__isnull=True) | Q(ends__gt=F("starts")), name="meter_price_rises"),
        ]

    def __str__(self) -> str:
        return f"{self.meter} {self.price}"


class MeterState(models.Model):
    """The latest that is known of a meter. The index is of its latest valid reading, the rest of its latest report."""

    meter = models.OneToOneField(Meter, models.CASCADE, verbose_name=_("meter"), related_name="state", primary_key=True)
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)
    index = models.DecimalField(_("index (m³)"), max_digits=14, decimal_places=4, null=True, blank=True)
    reported_at = models.DateTimeField(_("reported at"), null=True, blank=True)
    valve = models.CharField(_("valve"), max_length=7, choices=ValveState, default=ValveState.UNKNOWN)
    battery_voltage = models.DecimalField(_("battery (V)"), max_digits=8, decimal_places=4, null=True, blank=True)
    signal_percent = models.DecimalField(_("signal (%)"), max_digits=8, decimal_places=4, null=True, blank=True)
    temperature = models.DecimalField(_("temperature (°C)"), max_digits=8, decimal_places=4, null=True, blank=True)
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
    cis_valve_control = models.CharField(_("valve control by the CIS"), max_length=1, blank=True)
    cis_price = models.DecimalField(
        _("price by the CIS (CNY/m³)"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    cis_remaining = models.DecimalField(
        _("remaining by the CIS"), max_digits=14, decimal_places=4, null=True, blank=True
    )
    cis_asked_at = models.DateTimeField(
        _("CIS asked at"), null=True, blank=True, help_text=_("When the reading that the CIS answered was taken.")
    )
    cis_answered_at = models.DateTimeField(_("CIS answered at"), null=True, blank=True)
    recharged = models.DecimalField(_("recharged (CNY)"), max_digits=16, decimal_places=4, default=0)
    recharge_count = models.PositiveIntegerField(_("recharges"), default=0)
    last_recharge = models.DecimalField(_("last recharge (CNY)"), max_digits=14, decimal_places=4, default=0)
    last_recharged_at = models.DateTimeField(_("last recharged at"), null=True, blank=True)

    class Meta:
        verbose_name = _("meter state")
        verbose_name_plural = _("meter states")

    def __str__(self) -> str:
        return str(self.meter)
