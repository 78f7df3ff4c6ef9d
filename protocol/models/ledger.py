"""What peers sent us, and what we answered (R5)."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from protocol.models.parties import Company, Peer


class InboundSerial(models.Model):
    """A serial that is spent, by whom and when: `received_at` is that of its message, and leads to it.

    Kept apart from the messages, whose partitions could not say that a serial is unique.
    """

    # Readers: the ledger, which lets a second sender of the same serial wait here and then find its answer; the
    # staff's search for a serial, of whatever peer.
    pk = models.CompositePrimaryKey("serial_no", "peer_id")
    serial_no = models.CharField(_("serial number"), max_length=64)
    peer = models.ForeignKey(
        Peer, models.DO_NOTHING, verbose_name=_("peer"), related_name="+", db_index=False, db_constraint=False
    )
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        verbose_name = _("spent serial number")
        verbose_name_plural = _("spent serial numbers")
        indexes: ClassVar = [
            # Reader: forget_serials. New ones come in at its end.
            models.Index(fields=["received_at"], name="inbound_serial_age"),
        ]

    def __str__(self) -> str:
        return self.serial_no


class InboundMessage(models.Model):
    """One received message. A succeeded one has spent its serial (InboundSerial); a failed one is only a record.

    Partitioned by month of `received_at`: give every query a range of it where there is one. The database's primary key
    is (received_at, id). Readers: the answer to a repeat; the admin's list, newest first, and of a day.
    """

    # Without constraints: every message would lock the rows of its peer and company, and the end of a partition all.
    peer = models.ForeignKey(
        Peer,
        models.PROTECT,
        verbose_name=_("peer"),
        related_name="inbound_messages",
        db_index=False,
        db_constraint=False,
    )
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
        indexes: ClassVar = [
            # Reader: the list of whoever sees some companies only.
            models.Index(fields=["company", "received_at"], name="inbound_of_company"),
            # Reader: the list of one peer.
            models.Index(fields=["peer", "received_at"], name="inbound_of_peer"),
            # Reader: the list of one code; nearly all are 2001, which come up soon without.
            models.Index(fields=["code", "received_at"], name="inbound_of_rare_code", condition=~Q(code="2001")),
            # Reader: the admin's list of what was refused.
            models.Index(fields=["received_at"], name="inbound_failed", condition=Q(succeeded=False)),
            # Reader: the admin's search for a serial; what succeeded is found by its InboundSerial.
            models.Index(fields=["serial_no"], name="inbound_failed_serial", condition=Q(succeeded=False)),
            # Reader: the admin's page of one message. Some kilobytes: ids rise with the pages of a partition.
            BrinIndex(fields=["id"], name="inbound_id", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.serial_no}"
