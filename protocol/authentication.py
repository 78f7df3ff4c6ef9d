"""Who is calling: the signature as a DRF authentication class (R4)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from protocol.directory import Directory, Scope, current
from protocol.errors import AccessDenied, TimestampOutsideWindow
from protocol.models import Peer
from protocol.signature import Credentials, read_credentials, token_matches, within_window


def caller_address(meta: Mapping[str, Any]) -> str:
    """The caller's address: behind TRUSTED_PROXY_COUNT proxies, the entry that the outermost of them wrote.

    `meta` is the META of a request, or its WSGI environment.
    """
    count = settings.TRUSTED_PROXY_COUNT
    if count:
        forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(forwarded) >= count and forwarded[-count]:
            return forwarded[-count]
    return str(meta.get("REMOTE_ADDR", ""))


def credentials_of(meta: Mapping[str, Any]) -> Credentials:
    """Raises HeaderInvalid (0101)."""
    return read_credentials(token=meta.get("HTTP_ACCESSTOKEN"), authorization=meta.get("HTTP_AUTHORIZATION"))


def admit(meta: Mapping[str, Any], credentials: Credentials, *, directory: Directory) -> Scope:
    """The caller by `directory`. Raises AccessDenied (0103) or TimestampOutsideWindow (0105), in this order."""
    scope = directory.scopes.get(credentials.app_code)
    now = timezone.now()
    # An unknown appCode costs the same comparison as a wrong secret.
    matches = any(token_matches(credentials, app_secret=secret) for secret in _secrets(scope, now=now))
    if scope is None or not matches or not scope.peer.is_active:
        raise AccessDenied
    if not scope.peer.allows_address(caller_address(meta)):
        raise AccessDenied
    if not within_window(credentials.timestamp, now=now, window_seconds=settings.SIGNATURE_WINDOW_SECONDS):
        raise TimestampOutsideWindow
    return scope


def _secrets(scope: Scope | None, *, now: datetime) -> list[str]:
    """What the caller may sign with: its secret, and for a while after a rotation the one before it."""
    if scope is None:
        return [""]
    peer = scope.peer
    overlaps = peer.previous_secret_until is not None and now < peer.previous_secret_until
    return [peer.app_secret, peer.previous_secret] if overlaps and peer.previous_secret else [peer.app_secret]


class PeerAuthentication(BaseAuthentication):
    """The peer, with its scope. Raises HeaderInvalid (0101), AccessDenied (0103), TimestampOutsideWindow (0105)."""

    def authenticate(self, request: Request | HttpRequest) -> tuple[Peer, Scope]:
        scope = admit(request.META, credentials_of(request.META), directory=current())
        return scope.peer, scope
