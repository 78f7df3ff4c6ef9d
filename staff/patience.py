"""How long a page may keep the database busy, and what its reader is told when that was not enough."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin
from django.db import connection, transaction
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from psycopg.errors import QueryCanceled

TOO_LONG = _("This takes too long on so large a table. Narrow it down, for example by time or by number.")


class TookTooLong(Exception):
    """The database was told to stop; what was begun under the same limit is rolled back."""


@contextmanager
def at_most(milliseconds: int) -> Iterator[None]:
    """No statement in here takes longer. Raises TookTooLong. A limit inside another one ends with its block."""
    inside_another = connection.in_atomic_block
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)",
                [str(milliseconds)],
            )
            before = cursor.fetchone()[0]
            yield
            if inside_another:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except OperationalError as error:
        if not was_stopped(error):
            raise
        raise TookTooLong from error


def was_stopped(error: Exception) -> bool:
    """True for a statement that hit a time limit, ours or the server's."""
    return isinstance(error.__cause__, QueryCanceled)


def too_long_page(request: HttpRequest) -> TemplateResponse:
    context = {**admin.site.each_context(request), "title": _("This takes too long"), "said": TOO_LONG}
    return TemplateResponse(request, "staff/too_long.html", context, status=503)


class TooLongMiddleware:
    """A page of the staff that the database stopped says so: a limit may come from the server's own settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        match: Any = request.resolver_match
        if match is None or "admin" not in match.app_names:
            return None
        stopped = isinstance(exception, TookTooLong) or was_stopped(exception)
        return too_long_page(request).render() if stopped else None
