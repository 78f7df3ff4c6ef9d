"""What peers sent us, and what we answered (R5)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from protocol.models.parties import Company, Peer


class InboundMessage(models.Model):
    """One received message. A succeeded one has spent its serial; a failed one is only a record."""

    peer = models.ForeignKey(
        Peer, models.PROTECT, verbose_name=_("peer"), related_name="inbound_messages", db_index=False
    )
    # Without a constraint: every message would lock the row of its company.
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        verbose_name=_("company"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
        help_text=_("Empty when a refused message names none that the peer speaks for."),
    )
    code = models.CharField(_("message code"), max_length=4)
    serial_no = models.CharField(_("serial number"), max_length=64)
    digest = models.BinaryField(_("digest"), max_length=32)
    succeeded = models.BooleanField(_("succeeded"))
    echo_code = models.CharField(_("echo code"), max_length=4)
    body = models.TextField(_("body"))
    answer = models.TextField(_("answer"), blank=True)
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("inbound message")
        verbose_name_plural = _("inbound messages")
        constraints: ClassVar = [
            # Reader: the ledger, which lets a second sender of the same serial wait here and then find its answer.
            models.UniqueConstraint(
                fields=["peer", "serial_no"], condition=Q(succeeded=True), name="inbound_serial_spent_once"
            ),
        ]
        indexes: ClassVar = [
            # Readers: the admin's list (newest first) and forget_serials.
            models.Index(fields=["received_at"], name="inbound_received"),
            # Reader: the admin's list of what was refused.
            models.Index(fields=["received_at"], name="inbound_failed", condition=Q(succeeded=False)),
            # Reader: the admin's search for a serial, failed messages included.
            models.Index(fields=["serial_no"], name="inbound_serial"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.serial_no}"
