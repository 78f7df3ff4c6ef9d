"""The whole interface on one page: code, path, endpoint. Then the pages for people."""

from django.contrib import admin
from django.urls import URLPattern, include, path, re_path
from django.views.generic import RedirectView

from alarms.endpoints import TakeAlarm
from analysis.api import VIEWS as ANALYSIS
from commands.endpoints import CancelCommand, SendCommand, TakeResult
from config.docs import DocsView, SchemaView
from config.views import healthz, not_found
from meters.endpoints import RegisterMeter
from office.command_search import search
from pricing.endpoints import SetPrice
from protocol.endpoint import MessageEndpoint
from readings.detail import MeterDetail
from readings.endpoints import DailyUsageQuery, FleetReadings, TakeReport
from readings.life_endpoints import ChangePrice, DeregisterMeter, ReplaceMeter

MESSAGES: list[tuple[str, str, type[MessageEndpoint]]] = [
    # from a CIS
    ("1001", "api/v1/collect/meter/1001", RegisterMeter),
    ("1002", "api/collect/meter/1002", DeregisterMeter),
    ("1004", "api/collect/meter/1004", SendCommand),
    ("1005", "api/collect/meter/1005", CancelCommand),
    ("1007", "api/collect/meter/1007", SetPrice),
    ("1008", "api/collect/meter/1008", ChangePrice),
    ("1009", "api/collect/meter/1009", ReplaceMeter),
    ("1013", "api/v2/collect/meter/1013", FleetReadings),
    ("1014", "api/v2/collect/meter/1014", MeterDetail),
    ("1015", "api/v1/collect/meter/1015", DailyUsageQuery),
    # from a head-end
    ("2001", "api/collect/meter/2001", TakeReport),
    ("2002", "api/collect/meter/2002", TakeResult),
    ("2003", "api/collect/meter/2003", TakeAlarm),
]


def message(code: str, route: str, endpoint: type[MessageEndpoint]) -> URLPattern:
    """One trailing slash is tolerated (R2)."""
    return re_path(rf"^{route}/?$", endpoint.as_view(code=code), name=code)


urlpatterns = [
    *(message(*row) for row in MESSAGES),
    *(path(f"api/analysis/{view.table.name}", view.as_view()) for view in ANALYSIS),
    re_path(r"^api/", not_found),
    path("docs/", DocsView.as_view(), name="interface-docs"),
    path("docs/schema", SchemaView.as_view(), name="interface-schema"),
    path("healthz", healthz),
    path("admin/search/", admin.site.admin_view(search)),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", RedirectView.as_view(url="/admin/", permanent=False)),
]
handler403 = "config.views.forbidden"
handler400 = "config.views.bad_request"
handler404 = "config.views.not_found"
handler500 = "config.views.failed"
