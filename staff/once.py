"""A confirmation page does what it says once, however often it is sent, for whom it was made and as long as they may.

A token holds for one person with the rights and companies of when the page was shown: with more of them the page would
say less than is done, with fewer nothing may be done.
"""

import hashlib
import json
import uuid
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from staff.models import SentPage
from staff.scope import companies_of, sees_all

SALT: Final = "staff.confirmation"
LIFE: Final = timedelta(hours=12)


class PageSent(RuntimeError):
    """The same page, known by `key`, was sent before, and done."""

    words = _("This page had been sent before: it was done once.")

    def __init__(self, key: uuid.UUID) -> None:
        super().__init__(str(key))
        self.key = key


class PageInvalid(ValueError):
    """The token is not of this user, their present rights and this purpose, or too old."""

    words = _(
        "This page is too old or not yours, or what you may do has changed since. Nothing was done; please begin again."
    )


def new_token(*, user: User, purpose: str) -> str:
    """A token for one page; `purpose` names what the page does to what ("close:17")."""
    return signing.dumps([user.pk, _standing(user), purpose, uuid.uuid4().hex], salt=SALT)


def spend(token: str, *, user: User, purpose: str, now: datetime) -> uuid.UUID:
    """Spend the token within the transaction that does what the page asks. Raises PageInvalid, PageSent."""
    try:
        *bound, key = signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        raise PageInvalid from None
    if bound != [user.pk, _standing(user), purpose]:
        raise PageInvalid
    spent = uuid.UUID(key)
    try:
        with transaction.atomic():
            SentPage.objects.create(token=spent, by=user, at=now)
    except IntegrityError:
        raise PageSent(spent) from None
    return spent


def _standing(user: User) -> str:
    """Tells one set of rights and companies from another."""
    rights = ["everything"] if user.is_superuser else sorted(user.get_all_permissions())
    companies = ["all"] if sees_all(user) else sorted(companies_of(user).values_list("pk", flat=True))
    return hashlib.sha256(json.dumps([rights, companies]).encode()).hexdigest()


def forget_sent(*, now: datetime) -> int:
    """Delete what no token could meet any more; returns how many."""
    return SentPage.objects.filter(at__lt=now - 2 * LIFE).delete()[0]
