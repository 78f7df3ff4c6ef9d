"""The pages of the interface's documentation; openapi.py says what is on them."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.views.generic import View
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView


class ForReaders(View):
    """For staff; for everybody when INTERFACE_DOCS_PUBLIC says so."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user: Any = request.user
        if settings.INTERFACE_DOCS_PUBLIC or (user.is_active and user.is_staff):
            return super().dispatch(request, *args, **kwargs)
        return redirect_to_login(request.get_full_path(), "/admin/login/")


class SchemaView(ForReaders, SpectacularAPIView):
    authentication_classes = ()
    permission_classes = ()


class DocsView(ForReaders, SpectacularSwaggerView):
    authentication_classes = ()
    permission_classes = ()
    url_name = "interface-schema"
    template_name = "interface_docs.html"
