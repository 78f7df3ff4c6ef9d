"""Who is calling: the signature as a DRF authentication class (R4)."""

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from protocol.errors import AccessDenied, TimestampOutsideWindow
from protocol.models import Peer
from protocol.signature import read_credentials, token_matches, within_window


def caller_address(request: Request) -> str:
    """The caller's address: behind TRUSTED_PROXY_COUNT proxies, the entry that the outermost of them wrote."""
    count = settings.TRUSTED_PROXY_COUNT
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if count and len(forwarded) >= count and forwarded[-count]:
        return forwarded[-count]
    return request.META.get("REMOTE_ADDR", "")


class PeerAuthentication(BaseAuthentication):
    """Raises HeaderInvalid (0101), AccessDenied (0103) or TimestampOutsideWindow (0105), in this order."""

    def authenticate(self, request: Request) -> tuple[Peer, None]:
        credentials = read_credentials(
            token=request.headers.get("AccessToken"), authorization=request.headers.get("Authorization")
        )
        peer = Peer.objects.filter(app_code=credentials.app_code).first()
        # An unknown appCode costs the same comparison as a wrong secret.
        matches = token_matches(credentials, app_secret=peer.app_secret if peer else "")
        if peer is None or not matches or not peer.is_active or not peer.allows_address(caller_address(request)):
            raise AccessDenied
        if not within_window(
            credentials.timestamp, now=timezone.now(), window_seconds=settings.SIGNATURE_WINDOW_SECONDS
        ):
            raise TimestampOutsideWindow
        return peer, None
