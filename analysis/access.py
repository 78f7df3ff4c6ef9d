"""Who may read and export: staff with the permission to export, and to view the table."""

import hashlib
import secrets
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import BasePermission

from analysis.models import ApiToken
from analysis.tables import Table
from staff.permissions import EXPORT
from staff.scope import reaches

OUTGROWN = _("Its user may do more than whoever made this token: let a new one be made.")


def may_export(user: Any, table: Table) -> bool:
    model = table.model._meta
    return bool(
        user.is_active
        and user.is_staff
        and user.has_perm(EXPORT)
        and user.has_perm(f"{model.app_label}.view_{model.model_name}")
    )


def make_token(*, user: User, name: str, by: User) -> tuple[ApiToken, str]:
    """A new token and its text, which nobody can read again."""
    text = secrets.token_urlsafe(32)
    return ApiToken.objects.create(user=user, name=name, made_by=by, digest=_digest(text)), text


def is_outgrown(token: ApiToken) -> bool:
    """True while its user may more than whoever made it and knows its text, who may have left since."""
    user, maker = token.user, token.made_by
    return user.pk != maker.pk and not reaches(maker, user)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class ByToken(TokenAuthentication):
    """`Authorization: Token …`"""

    def authenticate_credentials(self, key: str) -> tuple[User, ApiToken]:
        token = ApiToken.objects.select_related("user", "made_by").filter(digest=_digest(key)).first()
        if token is None or not token.user.is_active:
            raise exceptions.AuthenticationFailed(_("Invalid token."))
        if is_outgrown(token):
            raise exceptions.AuthenticationFailed(OUTGROWN, "token_outgrown")
        return token.user, token


class MayExport(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return request.user is not None and may_export(request.user, view.table)
