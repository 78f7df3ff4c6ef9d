"""Pages that belong to no app: liveness, and answers for paths that do not exist."""

from typing import Any

from django.db import connection
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import get_template
from django.utils.translation import gettext_lazy as _
from psycopg_pool import PoolTimeout

from protocol.endpoint import envelope, json_response
from protocol.errors import Refused


def healthz(request: HttpRequest) -> JsonResponse:
    """200 when this process reaches its database, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OperationalError, PoolTimeout):
        return JsonResponse({"status": "database unavailable"}, status=503)
    return JsonResponse({"status": "ok"})


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """An unknown path: 404 with an envelope (R3); inside the admin, a page."""
    return _page(404) if _is_of_admin(request) else json_response(envelope(Refused("请求地址不存在")), status=404)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(403) if _is_of_admin(request) else json_response(envelope(Refused("没有权限")), status=403)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was open in another session, or of another site."""
    return _page(403, _("This form is too old"), _("You have signed in anew since it was opened. Open it once more."))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A request that never reaches a view, one for a host that is not ours for example."""
    return _page(400) if _is_of_admin(request) else json_response(envelope(Refused("请求无效")), status=400)


def failed(request: HttpRequest) -> HttpResponse:
    if _is_of_admin(request):
        return _page(500)
    return json_response(envelope(Refused("系统异常，请联系管理员")), status=500)


_TOLD: dict[int, tuple[Any, Any]] = {
    400: (_("The request cannot be understood"), _("Go back to the page before, and try again.")),
    403: (_("You may not do this"), _("Your roles do not allow it. Whoever manages people here can change that.")),
    404: (_("There is no such page"), _("It may have been deleted, or belong to a company that you do not see.")),
    500: (
        _("Something went wrong here"),
        _("It has been noted in the log. Try again in a moment, or tell your administrator."),
    ),
}


def _is_of_admin(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/")


def _page(status: int, title: Any = None, advice: Any = None) -> HttpResponse:
    """Without the request's context, which may ask a database that is away."""
    told = {"status": status, "title": title or _TOLD[status][0], "advice": advice or _TOLD[status][1]}
    return HttpResponse(get_template("error.html").render(told), status=status)
