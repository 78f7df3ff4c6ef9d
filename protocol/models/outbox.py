"""What we owe our peers: the outbox, its lanes, its attempts, and the health of each peer (R15)."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from protocol.models.parties import Company, Peer
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
    (the meter's id) and gets it back with the answer. A row is written once and updated with the outcome of each try;
    what changes while it waits lies in its lane, which a trigger opens (migration `outbound_lanes`).

    Partitioned by month of `created_at`: give every query a range of it where there is one. The database's primary key
    is (id, created_at). Readers: recording an outcome; whatever is done to chosen messages; a command's message.
    """

    # Without constraints: every message would lock the rows of its peer and company, and the end of a partition all.
    peer = models.ForeignKey(
        Peer,
        models.PROTECT,
        verbose_name=_("peer"),
        related_name="outbound_messages",
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
    )
    code = models.CharField(_("message code"), max_length=4)
    serial_no = models.CharField(_("serial number"), max_length=64)
    lane = models.BigIntegerField(_("lane"))
    body = models.TextField(_("body"))
    state = models.CharField(
        _("state"),
        max_length=9,
        choices=DeliveryState,
        default=DeliveryState.PENDING,
        db_default=DeliveryState.PENDING,
    )
    once_only = models.BooleanField(
        _("once only"),
        default=False,
        db_default=False,
        help_text=_("Not to be sent again after its end: it would be done twice."),
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0, db_default=0)
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    answer = models.TextField(_("answer"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    stuck_at = models.DateTimeField(_("stuck since"), null=True, blank=True, help_text=_("Rejected or dead since."))
    # Beside `finished_at`, which every outcome sets: this one is set where no sender is, and may be in an index.
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)

    class Meta:
        verbose_name = _("outbound message")
        verbose_name_plural = _("outbound messages")
        constraints: ClassVar = [
            # Reader: the search for a serial. A constraint: `unique` would add an index for LIKE that nobody asks.
            models.UniqueConstraint(fields=["serial_no", "created_at"], name="outbound_serial_once"),
        ]
        # No index mentions the state: an outcome must not touch one, so that the update stays HOT.
        indexes: ClassVar = [
            # Readers: the claim of a lane's next messages, and the admin's page of one meter's messages.
            models.Index(fields=["lane", "id"], name="outbound_of_lane"),
            # Readers: the lists of what needs a person; sending it again.
            models.Index(fields=["stuck_at", "id"], name="outbound_stuck", condition=Q(stuck_at__isnull=False)),
            # Reader: the list of what was withdrawn, which is little of all.
            models.Index(fields=["created_at"], name="outbound_withdrawn", condition=Q(withdrawn_at__isnull=False)),
            # Readers: the staff's list, newest first, and of a day; the home page's figures.
            models.Index(fields=["created_at"], name="outbound_made"),
            # Readers: the list of whoever sees some companies only, the reconciliation of a company's day.
            models.Index(fields=["company", "created_at"], name="outbound_of_company"),
            # Reader: the list of one peer.
            models.Index(fields=["peer", "created_at"], name="outbound_of_peer"),
            # Reader: the list of one code; most are 2001, which come up soon without.
            models.Index(fields=["code", "created_at"], name="outbound_of_rare_code", condition=~Q(code="2001")),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.serial_no}"


class OutboundLane(models.Model):
    """The pending messages of one peer and lane, as one narrow row that is claimed as a whole; gone when none is left.

    `due_at` is when the first of them may be sent next. A claim moves it forward by the lease, so that a worker that
    dies gives the lane back, and names its `holder`: only that one may let go of it.
    """

    pk = models.CompositePrimaryKey("peer_id", "lane")
    # Without a constraint: opening a lane would lock the peer's row, for which all would queue.
    peer = models.ForeignKey(
        Peer, models.DO_NOTHING, verbose_name=_("peer"), related_name="lanes", db_index=False, db_constraint=False
    )
    lane = models.BigIntegerField(_("lane"))
    due_at = models.DateTimeField(_("due at"))
    since = models.DateTimeField(_("waiting since"), help_text=_("No pending message of the lane is older."))
    first_id = models.BigIntegerField(help_text=_("No pending message of the lane has a smaller id."))
    arrivals = models.BigIntegerField(
        default=1, db_default=1, help_text=_("Changes with each message that joins the lane.")
    )
    claimed_through = models.BigIntegerField(
        default=0, db_default=0, help_text=_("Messages up to this id may have gone out: none of them can be withdrawn.")
    )
    holder = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = _("outbound lane")
        verbose_name_plural = _("outbound lanes")
        indexes: ClassVar = [
            # Reader: the claim, of each peer what is due, from either end.
            models.Index(fields=["peer", "due_at"], name="outbound_lane_due"),
            # Reader: the claim's count of what a peer is being sent.
            models.Index(fields=["peer"], name="outbound_lane_held", condition=Q(holder__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.peer_id} {self.lane}"


class OutboundAttempt(models.Model):
    """One try of an outbound message: how long it took and what came back.

    Partitioned as its message is, so that both go together: give every query of one message `message_created_at`. The
    database's primary key is (id, message_created_at). Reader: the admin's list, newest first, and page.
    """

    # Without a constraint: it is written in the transaction that has just updated its message. Reader of its index:
    # the page of a message.
    message = models.ForeignKey(
        OutboundMessage, models.CASCADE, verbose_name=_("message"), related_name="attempts", db_constraint=False
    )
    message_created_at = models.DateTimeField(_("message created at"))
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


class BreakerState(models.TextChoices):
    CLOSED = "closed", _("running")
    OPEN = "open", _("paused after failures")
    HALF_OPEN = "half_open", _("on probation")


class PeerHealth(models.Model):
    """What is known of a peer as a receiver: its circuit breaker, its rate, and whether staff have paused it.

    While the breaker is open nothing is sent until `paused_until` and no try is spent; then one message shows whether
    the peer is back.
    """

    peer = models.OneToOneField(Peer, models.CASCADE, verbose_name=_("peer"), related_name="health", primary_key=True)
    state = models.CharField(_("circuit breaker"), max_length=9, choices=BreakerState, default=BreakerState.CLOSED)
    failure_rate = models.FloatField(_("failure rate"), default=0.0, help_text=_("Of about the last 20 results."))
    results = models.PositiveIntegerField(_("results counted"), default=0)
    noted_at = models.DateTimeField(_("last result at"), null=True, blank=True)
    openings = models.PositiveIntegerField(
        _("pauses in a row"), default=0, help_text=_("Each is twice as long as the one before.")
    )
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    held_at = models.DateTimeField(_("paused by staff at"), null=True, blank=True)
    held_by = models.CharField(_("paused by"), max_length=150, blank=True)
    held_reason = models.CharField(_("reason of the pause"), max_length=200, blank=True)
    tokens = models.FloatField(default=0.0, help_text=_("Messages that the rate allows at this moment."))
    tokens_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("peer health")
        verbose_name_plural = _("peer health")

    def __str__(self) -> str:
        return str(self.peer)
