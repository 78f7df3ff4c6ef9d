from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from protocol.partitions.care import after_migrate
from protocol.partitions.problems import check_partitions


class ProtocolConfig(AppConfig):
    name = "protocol"
    verbose_name = _("Protocol")

    def ready(self) -> None:
        register(check_partitions, Tags.database)
        post_migrate.connect(after_migrate, sender=self)
