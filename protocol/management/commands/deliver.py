from typing import Any

from django.core.management.base import BaseCommand

from protocol.delivery import deliver_due


class Command(BaseCommand):
    help = "Send outbound messages until none is due; print how many were sent."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{deliver_due()} messages sent")
