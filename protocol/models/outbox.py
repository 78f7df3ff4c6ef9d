"""What we owe our peers: the outbox, its attempts, and the health of each peer (R15)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from protocol.models.parties import Peer
from protocol.wire import long_time


class DeliveryState(models.TextChoices):
    PENDING = "pending", _("pending")
    DELIVERED = "delivered", _("delivered")
    REJECTED = "rejected", _("rejected")
    DEAD = "dead", _("dead")
    WITHDRAWN = "withdrawn", _("withdrawn")


class OutboundMessage(models.Model):
    """One message to one peer: the same serial and body at every try.

    `lane` orders messages: those of one peer and lane go out one after another. The asking app chooses it
    (the meter's id) and gets it back with the answer. `due_at` is when the message may be claimed next: a claim
    moves it forward by the lease, so that a worker that dies gives the message back.
    """

    peer = models.ForeignKey(
        Peer, models.PROTECT, verbose_name=_("peer"), related_name="outbound_messages", db_index=False
    )
    code = models.CharField(_("message code"), max_length=4)
    serial_no = models.CharField(_("serial number"), max_length=64, unique=True)
    lane = models.BigIntegerField(_("lane"))
    body = models.TextField(_("body"))
    state = models.CharField(_("state"), max_length=9, choices=DeliveryState, default=DeliveryState.PENDING)
    once_only = models.BooleanField(
        _("once only"), default=False, help_text=_("Not to be sent again after its end: it would be done twice.")
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    due_at = models.DateTimeField(_("due at"))
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    answer = models.TextField(_("answer"), blank=True)
    created_at = models.DateTimeField(_("created at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("outbound message")
        verbose_name_plural = _("outbound messages")
        indexes: ClassVar = [
            # Reader: the claim, oldest due first.
            models.Index(fields=["due_at", "id"], name="outbound_due", condition=Q(state="pending")),
            # Reader: the claim's look for an earlier unfinished message of the same lane.
            models.Index(fields=["peer", "lane", "id"], name="outbound_lane", condition=Q(state="pending")),
            # Reader: the admin's list of what needs a person.
            models.Index(fields=["state", "id"], name="outbound_stuck", condition=Q(state__in=["rejected", "dead"])),
            # Reader: the admin's page of one meter's messages.
            models.Index(fields=["lane", "id"], name="outbound_of_lane"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.serial_no}"


class OutboundAttempt(models.Model):
    """One try of an outbound message: how long it took and what came back."""

    message = models.ForeignKey(OutboundMessage, models.CASCADE, verbose_name=_("message"), related_name="attempts")
    attempted_at = models.DateTimeField(_("attempted at"))
    duration_ms = models.PositiveIntegerField(_("duration (ms)"))
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    echo_code = models.CharField(_("echo code"), max_length=16, blank=True)
    answer = models.TextField(_("answer"), blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return long_time(self.attempted_at)


class PeerHealth(models.Model):
    """The circuit breaker of one peer: while `paused_until` lies ahead nothing is sent and no try is spent."""

    peer = models.OneToOneField(Peer, models.CASCADE, verbose_name=_("peer"), related_name="health", primary_key=True)
    consecutive_failures = models.PositiveIntegerField(_("consecutive failures"), default=0)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)

    class Meta:
        verbose_name = _("peer health")
        verbose_name_plural = _("peer health")

    def __str__(self) -> str:
        return str(self.peer)
