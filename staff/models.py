"""Which companies a person of the staff sees, what the staff did, and which confirmation pages they have sent."""

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from protocol.models import Company
from staff.permissions import DECLARED, role_name


class StaffScope(models.Model):
    """The companies whose rows a user sees; a user without a scope sees none, a superuser sees all."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"), related_name="scope", primary_key=True
    )
    all_companies = models.BooleanField(_("all companies"), default=False)
    companies = models.ManyToManyField(Company, verbose_name=_("companies"), related_name="+", blank=True)

    class Meta:
        verbose_name = _("staff scope")
        verbose_name_plural = _("staff scopes")

    def __str__(self) -> str:
        return str(self.user)


class Role(Group):
    """A group by the name that staff read: the roles that `migrate` makes, and groups of their own."""

    class Meta:
        proxy = True
        verbose_name = _("role")
        verbose_name_plural = _("roles")

    def __str__(self) -> str:
        return role_name(self.name)


class StaffAct(models.Model):
    """One act of one person of the staff: what it touched, and how that was before and after. Only ever added."""

    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("by"), related_name="acts", db_index=False
    )
    act = models.CharField(_("act"), max_length=40)
    # Known by name and number, since what it touched may be deleted one day.
    target_model = models.CharField(_("kind of target"), max_length=100)
    target_pk = models.CharField(_("number of the target"), max_length=64)
    target_text = models.CharField(_("target"), max_length=200)
    company = models.ForeignKey(
        Company, models.PROTECT, verbose_name=_("company"), related_name="+", null=True, blank=True, db_index=False
    )
    before = models.JSONField(_("before"), default=dict, blank=True)
    after = models.JSONField(_("after"), default=dict, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("staff act")
        verbose_name_plural = _("staff acts")
        default_permissions = ("view",)
        permissions = DECLARED
        indexes: ClassVar = [
            # Reader: the page of one row, which shows what was done to it.
            models.Index(fields=["target_model", "target_pk", "id"], name="act_of_target"),
            # Reader: the list of what one person did.
            models.Index(fields=["by", "id"], name="act_of_person"),
            # Reader: the list of whoever sees some companies only.
            models.Index(fields=["company", "id"], name="act_of_company"),
        ]

    def __str__(self) -> str:
        return self.target_text


class SentPage(models.Model):
    """A confirmation page that was sent: what it asked for is done once, in the transaction that writes this row."""

    token = models.UUIDField(_("token"), primary_key=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("by"), related_name="+", db_index=False
    )
    at = models.DateTimeField(_("at"), db_index=True)

    class Meta:
        verbose_name = _("sent confirmation")
        verbose_name_plural = _("sent confirmations")

    def __str__(self) -> str:
        return str(self.token)
