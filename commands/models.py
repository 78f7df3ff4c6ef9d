"""The command queue of each meter (1004, 1005, 2002, R12-R14) and the history of every command."""

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from meters.models import Meter
from protocol.models import OutboundMessage, Peer


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

    VALVE = "03", _("valve")
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
    )
    replay_of = models.ForeignKey(
        "self", models.PROTECT, verbose_name=_("replay of"), null=True, blank=True, related_name="replays"
    )
    message = models.OneToOneField(
        OutboundMessage, models.PROTECT, verbose_name=_("message"), null=True, blank=True, related_name="command"
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
        ]

    def __str__(self) -> str:
        return f"{self.meter_id} {self.kind} {self.state}"


class CommandEvent(models.Model):
    """One move of a command, or something that happened to it without a move (`from_state` is `to_state`)."""

    command = models.ForeignKey(Command, models.CASCADE, verbose_name=_("command"), related_name="events")
    at = models.DateTimeField(_("at"))
    from_state = models.CharField(_("from"), max_length=9, choices=CommandState, blank=True)
    to_state = models.CharField(_("to"), max_length=9, choices=CommandState)
    cause = models.CharField(_("cause"), max_length=200)

    class Meta:
        verbose_name = _("command event")
        verbose_name_plural = _("command events")
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state} -> {self.to_state}"
