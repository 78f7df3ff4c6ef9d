"""Who exchanges messages: gas companies, meter manufacturers, and the peers that speak for them (R1)."""

import ipaddress
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Company(models.Model):
    """A gas company, known on the wire by its companyCode."""

    code = models.CharField(_("company code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Manufacturer(models.Model):
    """A meter manufacturer, known on the wire by its factorNo."""

    factor_no = models.CharField(_("manufacturer code"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("manufacturer")
        verbose_name_plural = _("manufacturers")
        ordering: ClassVar = ["factor_no"]

    def __str__(self) -> str:
        return f"{self.name} ({self.factor_no})"


class PeerKind(models.TextChoices):
    CIS = "cis", _("CIS")
    HEADEND = "headend", _("head-end")


def validate_network(value: str) -> None:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValidationError(_("%(value)s is not an IP address or network."), params={"value": value}) from None


class Peer(models.Model):
    """A system that signs messages with its own appCode and appSecret.

    A CIS may call 1xxx about its `companies` (and, when any are listed, only its `manufacturers`); a head-end
    may call 2xxx about its `manufacturers` (and, when any are listed, only its `companies`).
    """

    kind = models.CharField(_("kind"), max_length=8, choices=PeerKind)
    name = models.CharField(_("name"), max_length=100)
    app_code = models.CharField(_("app code"), max_length=64, unique=True)
    app_secret = models.CharField(_("app secret"), max_length=128)
    previous_secret = models.CharField(max_length=128, blank=True, default="", editable=False)
    previous_secret_until = models.DateTimeField(
        _("previous secret valid until"), null=True, blank=True, editable=False
    )
    url = models.URLField(
        _("base URL"),
        blank=True,
        help_text=_("Where this peer takes messages from us; empty when it only calls."),
    )
    max_concurrency = models.PositiveIntegerField(
        _("requests at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many messages this peer is sent at the same time; empty for the platform's setting."),
    )
    max_per_second = models.PositiveIntegerField(
        _("messages per second"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many messages this peer is sent each second; empty for the platform's setting."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    allowed_addresses = ArrayField(
        models.CharField(max_length=43, validators=[validate_network]),
        verbose_name=_("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("IP addresses or networks this peer may call from; empty allows any."),
    )
    companies = models.ManyToManyField(Company, verbose_name=_("companies"), related_name="peers", blank=True)
    manufacturers = models.ManyToManyField(
        Manufacturer, verbose_name=_("manufacturers"), related_name="peers", blank=True
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("peer")
        verbose_name_plural = _("peers")
        ordering: ClassVar = ["app_code"]

    def __str__(self) -> str:
        return f"{self.name} ({self.app_code})"

    @property
    def is_authenticated(self) -> bool:
        """DRF takes the peer for the request's user."""
        return True

    def allows_address(self, address: str) -> bool:
        """True when the allow-list is empty or holds `address`."""
        if not self.allowed_addresses:
            return True
        try:
            caller = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(caller in ipaddress.ip_network(network) for network in self.allowed_addresses)
