"""The short way from the socket: a message whose endpoint has a short way is answered before Django sees it.

Django's request, its middleware and its signals took as long as all that an ordinary report needs of this process.
Whatever the short way does not take goes on to Django with its body as it came: each refusal, and each page.
"""

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from io import BytesIO
from typing import Any

import orjson
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.http.request import split_domain_port, validate_host

from protocol.endpoint import CONTENT_TYPE, TRIED, MessageEndpoint

logger = logging.getLogger(__name__)
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class ShortWay:
    """A WSGI application in front of Django's; `routes` are messages as config/urls.py lists them."""

    def __init__(self, usual: Application, routes: Iterable[tuple[str, str, type[MessageEndpoint]]]) -> None:
        self._usual = usual
        self._endpoints: dict[str, MessageEndpoint] = {}
        for code, route, endpoint in routes:
            if endpoint.has_short_way:
                # One trailing slash is tolerated (R2).
                self._endpoints |= dict.fromkeys((f"/{route}", f"/{route}/"), endpoint(code=code))

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        endpoint = self._endpoints.get(environ.get("PATH_INFO", ""))
        if endpoint is not None and environ["REQUEST_METHOD"] == "POST":
            answer = self._answer(endpoint, environ)
            if answer is not None:
                headers = [
                    ("Content-Type", CONTENT_TYPE),
                    ("Content-Length", str(len(answer))),
                    ("X-Content-Type-Options", "nosniff"),
                ]
                start_response("200 OK", headers)
                return [answer]
        return self._usual(environ, start_response)

    def _answer(self, endpoint: MessageEndpoint, environ: Environ) -> bytes | None:
        if settings.MAINTENANCE or not _host_is_ours(environ.get("HTTP_HOST", ""), tuple(settings.ALLOWED_HOSTS)):
            return None
        raw = _body(environ)
        if raw is None:
            return None
        environ[TRIED] = True
        try:
            answer = endpoint.quick_answer(environ, raw)
        except Exception:
            # Nothing has been written: the usual way meets it again, and answers for it.
            logger.exception("message %s failed on the short way", endpoint.code)
            return None
        finally:
            _let_go()
        return None if answer is None else orjson.dumps(answer)


def _let_go() -> None:
    """Of a connection that something has asked Django for, as Django does at the end of a request."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.connection is not None and not connection.in_atomic_block:
        connection.close()


@lru_cache(maxsize=256)
def _host_is_ours(host: str, allowed: tuple[str, ...]) -> bool:
    """As Django's own check, which answers for all others."""
    domain, _ = split_domain_port(host)
    return bool(domain) and not settings.USE_X_FORWARDED_HOST and validate_host(domain, allowed)


class _Unreadable:
    """Breaks off as the body did that was read first."""

    def read(self, *sizes: int) -> bytes:
        raise OSError("the body has broken off")


def _body(environ: Environ) -> bytes | None:
    """The body of a message of usual size, which Django can read once more; None for all others, still unread."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit() and 0 < int(length) <= settings.MAX_BODY_BYTES):
        return None
    try:
        raw: bytes = environ["wsgi.input"].read(int(length))
    except OSError:
        environ["wsgi.input"] = _Unreadable()
        return None
    environ["wsgi.input"] = BytesIO(raw)
    return raw if len(raw) == int(length) else None
