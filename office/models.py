"""What the pages of the staff keep: which confirmation has been sent already."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


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
