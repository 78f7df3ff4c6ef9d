from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as installed_apps
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "staff"
    verbose_name = _("staff and their acts")

    def ready(self) -> None:
        post_migrate.connect(_keep_roles, sender=self, dispatch_uid="staff.roles")


def _keep_roles(*, apps: Apps = installed_apps, **kwargs: Any) -> None:
    # `flush` sends the signal too, without apps.
    # A migration that stops half-way (`migrate protocol`) has no tables for roles yet.
    if "staff" in apps.all_models and "staffact" in apps.all_models["staff"]:
        import_string("staff.roles.keep_roles")()
