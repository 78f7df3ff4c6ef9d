"""What settlement and recharges keep of a meter: its account and every movement of it (R11, R12)."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from meters.models.meter import Meter


class Account(models.Model):
    """What settlement keeps of a meter. Its row is the meter's lock: whoever adds readings or settles holds it.

    Days up to `settled_through` have been settled once; settlement starts at `unsettled_from`, which late data moves
    back; after `closes_on`, the last day of a meter that ended, nothing is due. `settled_index` is the index at the
    end of `settled_through`, `cycle_volume` what the cycle that began on `cycle_start` had used by then; without a
    `cycle_start` the daily usage says it. No index but the key: every settled day updates every row.
    """

    meter = models.OneToOneField(
        Meter, models.CASCADE, verbose_name=_("meter"), related_name="account", primary_key=True
    )
    unsettled_from = models.DateField(_("unsettled from"))
    settled_through = models.DateField(_("settled through"))
    closes_on = models.DateField(_("last day"), null=True, blank=True)
    settled_index = models.DecimalField(_("settled index (m³)"), max_digits=14, decimal_places=4)
    cycle_start = models.DateField(_("cycle start"), null=True, blank=True)
    cycle_volume = models.DecimalField(_("volume in the cycle (m³)"), max_digits=20, decimal_places=4, default=0)
    settled_volume = models.DecimalField(_("settled volume (m³)"), max_digits=20, decimal_places=4, default=0)
    settled_amount = models.DecimalField(_("settled amount (CNY)"), max_digits=20, decimal_places=4, default=0)
    kept_here = models.BooleanField(
        _("kept here"), default=False, help_text=_("Billing model 3: the platform keeps the money of this meter.")
    )
    is_heir = models.BooleanField(
        _("replaced another"), default=False, help_text=_("Its running cycle goes on from the meter it replaced.")
    )
    overdraft_limit = models.DecimalField(
        _("overdraft (CNY)"),
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("Of a prepaid meter of billing model 3; empty for all others, which are never in arrears."),
    )
    credited = models.DecimalField(_("credited (CNY)"), max_digits=20, decimal_places=4, default=0)
    balance = models.GeneratedField(
        verbose_name=_("balance (CNY)"),
        expression=F("credited") - F("settled_amount"),
        output_field=models.DecimalField(max_digits=20, decimal_places=4),
        db_persist=True,
    )
    in_arrears = models.BooleanField(
        _("in arrears"),
        default=False,
        help_text=_("Prepaid with billing model 3, and balance and overdraft are used up."),
    )

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(settled_amount__gte=0, settled_volume__gte=0), name="account_settled_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return str(self.meter)


class EntryKind(models.TextChoices):
    RECHARGE = "recharge", _("recharge")
    SETTLEMENT = "settlement", _("settled usage")
    CORRECTION = "correction", _("settled again")
    CARRY_IN = "carry_in", _("carried over from the replaced meter")
    CARRY_OUT = "carry_out", _("carried over to the new meter")


class AccountEntry(models.Model):
    """One movement of an account of billing model 3: their sum is its balance. Rows are only ever added.

    `day` is the last day that a settlement covered, otherwise the day of the movement. A correction's amount is the
    difference; `old_amount` and `new_amount` are what the settled days cost before and after.
    """

    # Settlement writes these by the million from locked accounts, whose meters cannot be deleted.
    meter = models.ForeignKey(
        Meter, models.PROTECT, verbose_name=_("meter"), related_name="entries", db_index=False, db_constraint=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=EntryKind)
    amount = models.DecimalField(_("amount (CNY)"), max_digits=20, decimal_places=4)
    day = models.DateField(_("day"))
    old_amount = models.DecimalField(_("before (CNY)"), max_digits=20, decimal_places=4, null=True, blank=True)
    new_amount = models.DecimalField(_("after (CNY)"), max_digits=20, decimal_places=4, null=True, blank=True)
    reference = models.CharField(_("reference"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("account entry")
        verbose_name_plural = _("account entries")
        constraints: ClassVar = [
            # R12: the same recharge stream is credited once per meter, whatever serial it comes under.
            models.UniqueConstraint(
                fields=["meter", "reference"], condition=Q(kind="recharge"), name="entry_recharge_once"
            ),
            # In the database the primary key. Readers: the history of one account, its audit, the staff's list.
            models.UniqueConstraint(fields=["meter", "id"], name="entry_of_meter"),
            models.CheckConstraint(
                condition=Q(kind="recharge", amount__gt=0)
                | Q(kind="settlement", amount__lt=0)
                | Q(kind__in=["correction", "carry_in", "carry_out"]) & ~Q(amount=0),
                name="entry_amount_fits_kind",
            ),
        ]
        indexes: ClassVar = [
            # Reader: the staff's list of one kind, all of which are rare beside what settlement writes by the million.
            models.Index(fields=["kind", "id"], name="entry_of_rare_kind", condition=~Q(kind="settlement")),
            # Reader: the staff's page of one entry. Some kilobytes: ids rise with the pages of the table.
            BrinIndex(fields=["id"], name="entry_id", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_kind_display()} {self.amount}"
