"""Pages that belong to no app: liveness, and answers for paths that do not exist."""

from django.db import connection
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found, server_error
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
    """An unknown path: 404 with an envelope (R3); inside the admin, its own page."""
    if request.path.startswith("/admin/"):
        return page_not_found(request, exception or Exception())
    return json_response(envelope(Refused("请求地址不存在")), status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A request that never reaches a view, one for a host that is not ours for example."""
    return json_response(envelope(Refused("请求无效")), status=400)


def failed(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/admin/"):
        return server_error(request)
    return json_response(envelope(Refused("系统异常，请联系管理员")), status=500)
