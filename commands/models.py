"""The command queue of each meter (1004, 1005, 2002, R12-R14) and the history of every command."""

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meters.models import Meter, ValveState
from protocol.models import Company, OutboundMessage, Peer


class CommandState(models.TextChoices):
    QUEUED = "queued", _("queued")
    SENT = "sent", _("sent")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")


WAITING: Final = frozenset({CommandState.QUEUED, CommandState.SENT})


class CommandKind(models.TextChoices):
    """Appendix one: paramNo."""

    VALVE = "03", _("valve command")
    RECHARGE = "05", _("recharge")


class Origin(models.TextChoices):
    CIS = "cis", _("CIS")
    CIS_ANSWER = "answer", _("CIS's answer to a reading")
    ARREARS = "arrears", _("arrears")
    STAFF = "staff", _("staff")


class Command(models.Model):
    """One thing a meter has to do. First in, first out per meter, one in flight."""

    meter = models.ForeignKey(Meter, models.PROTECT, verbose_name=_("meter"), related_name="commands", db_index=False)
    kind = models.CharField(_("kind"), max_length=2, choices=CommandKind)
    payload = models.JSONField(_("payload"))
    reference = models.CharField(_("recharge stream"), max_length=64, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=CommandState, default=CommandState.QUEUED)
    origin = models.CharField(_("origin"), max_length=7, choices=Origin)
    peer = models.ForeignKey(
        Peer, models.PROTECT, verbose_name=_("asked by"), related_name="commands", null=True, blank=True, db_index=False
    )
    serial_no = models.CharField(_("serial number of the request"), max_length=64, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("requested by"),
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    replay_of = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("replay of"),
        null=True,
        blank=True,
        related_name="replays",
        db_index=False,
    )
    # The 1004. Without a constraint: a message goes with its partition, long after its command has ended.
    message = models.OneToOneField(
        OutboundMessage,
        models.PROTECT,
        verbose_name=_("message"),
        null=True,
        blank=True,
        related_name="command",
        db_constraint=False,
    )
    queued_at = models.DateTimeField(_("queued at"))
    expires_at = models.DateTimeField(_("expires at"))
    handed_over_after = models.DateTimeField(
        _("handed over after"),
        null=True,
        blank=True,
        help_text=_("The moment of the latest report when it was handed over: only a later one shows it done."),
    )
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    cancel_asked_at = models.DateTimeField(_("cancellation asked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["meter"], condition=Q(state="sent"), name="command_one_in_flight"),
            models.UniqueConstraint(
                fields=["meter", "reference"], condition=Q(kind="05") & ~Q(reference=""), name="command_recharge_once"
            ),
        ]
        indexes: ClassVar = [
            # Readers: the queue of a meter, and its page in the admin.
            models.Index(fields=["meter", "id"], name="command_of_meter"),
            # Reader: 1005, which names the request by its serial.
            models.Index(fields=["peer", "serial_no"], name="command_of_request"),
            # Reader: the expiry sweep.
            models.Index(fields=["expires_at"], name="command_waiting", condition=Q(state__in=["queued", "sent"])),
            # Readers: the home page's count of what failed, and the lists of what was not done.
            models.Index(
                fields=["state", "id"], name="command_undone", condition=Q(state__in=["failed", "expired", "cancelled"])
            ),
            # Reader: the list of one origin; most are of the CIS, which come up soon without.
            models.Index(fields=["origin", "id"], name="command_of_rare_origin", condition=~Q(origin="cis")),
            # Reader: the page of a command, which leads to those that asked for it again.
            models.Index(fields=["replay_of"], name="command_replays", condition=Q(replay_of__isnull=False)),
            # Reader: the figures of command success over time.
            models.Index(fields=["finished_at"], name="command_finished"),
        ]

    def __str__(self) -> str:
        # The same in every language: it is kept in what the staff did.
        return f"#{self.pk}"


class Cause(models.TextChoices):
    """Why a command moved, as a sentence about `CommandEvent.detail`; `commands.causes` fills it in for the reader."""

    ASKED = "asked", _("asked for by: %(detail)s")
    CREDITED = "credited", _("credited to the account")
    REPLACED = "replaced", _("replaced by a newer valve command")
    TO_HEADEND = "to_headend", _("handed to the head-end")
    HANDED_OVER = "handed_over", _("handed over in the answer to a report")
    ACCEPTED = "accepted", _("accepted by the head-end")
    REFUSED = "refused", _("refused by the head-end: %(detail)s")
    UNREACHABLE = "unreachable", _("the head-end cannot be reached; the outcome is unknown")
    REPORTED = "reported", _("reported by the head-end")
    TOO_LATE = "too_late", _("the head-end reports “%(detail)s”, too late to count")
    SEEN = "seen", _("the meter reports it done")
    CANCELLED = "cancelled", _("cancelled by %(detail)s")
    CANCELLED_IN_TIME = "cancelled_in_time", _("cancelled by %(detail)s before it left")
    CANCEL_ASKED = "cancel_asked", _("%(detail)s wants it cancelled: the head-end is asked")
    CANCELLED_THERE = "cancelled_there", _("cancelled by the head-end")
    NOT_CANCELLED = "not_cancelled", _("not cancelled by the head-end: %(detail)s")
    METER_ENDED = "meter_ended", _("the meter has ended: %(detail)s")
    ARREARS_OVER = "arrears_over", _("the arrears are over")
    OVERDUE = "overdue", _("not done in its time")


class CommandEvent(models.Model):
    """One move of a command, or something that happened to it without a move (`from_state` is `to_state`)."""

    command = models.ForeignKey(Command, models.CASCADE, verbose_name=_("command"), related_name="events")
    at = models.DateTimeField(_("at"))
    from_state = models.CharField(_("state before"), max_length=9, choices=CommandState, blank=True)
    to_state = models.CharField(_("to"), max_length=9, choices=CommandState)
    # A Cause; as wide as the sentences that rows of earlier versions hold.
    cause = models.CharField(_("cause"), max_length=200)
    detail = models.CharField(_("detail"), max_length=200, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("command event")
        verbose_name_plural = _("command events")
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.get_from_state_display()} → {self.get_to_state_display()}"


class BulkState(models.TextChoices):
    DRAFT = "draft", _("not started")
    RUNNING = "running", _("under way")
    DONE = "done", _("done")
    CANCELLED = "cancelled", _("cancelled")


class BulkCommand(models.Model):
    """One valve wish for many meters, chosen once: the dry run is the selection that will be carried out."""

    wish = models.CharField(
        _("valve"), max_length=6, choices=[(ValveState.OPEN.value, _("open")), (ValveState.CLOSED.value, _("close"))]
    )
    state = models.CharField(_("state"), max_length=9, choices=BulkState, default=BulkState.DRAFT)
    selection = models.CharField(_("selection"), max_length=500, blank=True)
    total = models.PositiveIntegerField(_("meters chosen"), default=0)
    # Who sees it: those who see every company in it.
    companies = models.ManyToManyField(Company, verbose_name=_("companies"), related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("requested by"), related_name="+", db_index=False
    )
    created_at = models.DateTimeField(_("created at"))
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("bulk valve command")
        verbose_name_plural = _("bulk valve commands")
        indexes: ClassVar = [
            # Readers: the task that carries them out, and the sweep of drafts that nobody started.
            models.Index(fields=["state", "id"], name="bulk_unfinished", condition=Q(state__in=["draft", "running"])),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class BulkOutcome(models.TextChoices):
    """What became of one meter of a bulk; all but the first two say why it was left alone."""

    WAITING = "waiting", _("to be asked")
    ASKED = "asked", _("asked")
    ALREADY = "already", _("the valve is so already")
    UNDER_WAY = "under_way", _("the same command is under way")
    NO_ROUTE = "no_route", _("no head-end, and the meter has never reported")
    ENDED = "ended", _("the meter has ended")
    CANCELLED = "cancelled", _("cancelled before it was asked")


class BulkRow(models.Model):
    """One meter of a bulk. Its row and its command are written in one transaction: asked once, or not at all."""

    bulk = models.ForeignKey(
        BulkCommand, models.CASCADE, verbose_name=_("bulk valve command"), related_name="rows", db_index=False
    )
    meter = models.ForeignKey(Meter, models.PROTECT, verbose_name=_("meter"), related_name="bulk_rows")
    outcome = models.CharField(_("outcome"), max_length=9, choices=BulkOutcome, default=BulkOutcome.WAITING)
    command = models.OneToOneField(
        Command, models.PROTECT, verbose_name=_("command"), null=True, blank=True, related_name="bulk_row"
    )

    class Meta:
        verbose_name = _("meter of a bulk command")
        verbose_name_plural = _("meters of bulk commands")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bulk", "meter"], name="bulk_row_one_per_meter"),
            models.CheckConstraint(
                condition=Q(outcome="asked", command__isnull=False) | ~Q(outcome="asked") & Q(command__isnull=True),
                name="bulk_row_asked_with_a_command",
            ),
        ]
        indexes: ClassVar = [
            # Readers: the next one to ask, the counts of the progress page, and the list of results.
            models.Index(fields=["bulk", "outcome", "id"], name="bulk_row_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"#{self.bulk_id} {self.meter}"
