"""The signature of the interface: AccessToken and Authorization (specification 2.1 and 5, R4)."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.utils import timezone

from protocol.errors import HeaderInvalid

TIMESTAMP_FORMAT = "%Y%m%d%H%M%S"
_TIMESTAMP = re.compile(r"[0-9]{14}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller put into its headers; `token` is the AccessToken as sent."""

    app_code: str
    timestamp: str
    token: str


def access_token(*, app_code: str, app_secret: str, timestamp: str) -> str:
    """MD5 of appCode + appSecret + timestamp in upper-case hex, as deployed clients send it."""
    text = f"{app_code}{app_secret}{timestamp}".encode()
    # The interface fixes MD5: it signs, and nothing is stored under it.
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


def signed_headers(*, app_code: str, app_secret: str, now: datetime) -> dict[str, str]:
    """The headers of a request signed at `now` (local time of the platform's zone)."""
    timestamp = timezone.localtime(now).strftime(TIMESTAMP_FORMAT)
    return {
        "Accept": "application/json",
        "Content-Type": "application/json;charset=utf-8",
        "AccessToken": access_token(app_code=app_code, app_secret=app_secret, timestamp=timestamp),
        "Authorization": base64.b64encode(f"{app_code}:{timestamp}".encode()).decode(),
    }


def read_credentials(*, token: str | None, authorization: str | None) -> Credentials:
    """Parse both headers; raises HeaderInvalid (0101) when one is missing or cannot be decoded."""
    if not token or not token.strip():
        raise HeaderInvalid("AccessToken")
    try:
        text = base64.b64decode((authorization or "").strip(), validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise HeaderInvalid("Authorization") from None
    app_code, separator, timestamp = text.rpartition(":")
    if not separator or not app_code or not _TIMESTAMP.fullmatch(timestamp):
        raise HeaderInvalid("Authorization")
    return Credentials(app_code=app_code, timestamp=timestamp, token=token.strip())


def token_matches(credentials: Credentials, *, app_secret: str) -> bool:
    """Compare in constant time and without regard to case (R4)."""
    expected = access_token(app_code=credentials.app_code, app_secret=app_secret, timestamp=credentials.timestamp)
    return hmac.compare_digest(expected.encode(), credentials.token.upper().encode())


@lru_cache(maxsize=1024)
def _moment(timestamp: str) -> datetime | None:
    """The moment that a local timestamp names; None when there is none."""
    try:
        naive = datetime.strptime(timestamp, TIMESTAMP_FORMAT)  # noqa: DTZ007  (made aware on the next line)
    except ValueError:
        return None
    return timezone.make_aware(naive)


def within_window(timestamp: str, *, now: datetime, window_seconds: int) -> bool:
    """True when the local `timestamp` lies within ± `window_seconds` of `now`."""
    moment = _moment(timestamp)
    if moment is None:
        return False
    window = timedelta(seconds=window_seconds)
    # A local hour that occurs twice (end of DST) names two moments: either may be meant.
    return any(abs(candidate - now) <= window for candidate in (moment, moment.replace(fold=1)))
