"""A confirmation page does what it says once, however often it is sent."""

import uuid
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from staff.models import SentPage

SALT: Final = "staff.confirmation"
LIFE: Final = timedelta(hours=12)


class PageSent(RuntimeError):
    """The same page, known by `key`, was sent before, and done."""

    words = _("This page had been sent before: it was done once.")

    def __init__(self, key: uuid.UUID) -> None:
        super().__init__(str(key))
        self.key = key


class PageInvalid(ValueError):
    """The token is not of this user and purpose, or too old."""

    words = _("This page is too old or not yours. Nothing was done; please begin again.")


def new_token(*, user: User, purpose: str) -> str:
    """A token for one page; `purpose` names what the page does to what ("close:17")."""
    return signing.dumps([user.pk, purpose, uuid.uuid4().hex], salt=SALT)


def spend(token: str, *, user: User, purpose: str, now: datetime) -> uuid.UUID:
    """Spend the token within the transaction that does what the page asks. Raises PageInvalid, PageSent."""
    try:
        owner, meant, key = signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        raise PageInvalid from None
    if (owner, meant) != (user.pk, purpose):
        raise PageInvalid
    spent = uuid.UUID(key)
    try:
        with transaction.atomic():
            SentPage.objects.create(token=spent, by=user, at=now)
    except IntegrityError:
        raise PageSent(spent) from None
    return spent


def forget_sent(*, now: datetime) -> int:
    """Delete what no token could meet any more; returns how many."""
    return SentPage.objects.filter(at__lt=now - 2 * LIFE).delete()[0]
