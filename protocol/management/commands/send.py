import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection

from protocol.delivery import send_forever
from protocol.presence import sending_here

logger = logging.getLogger(__name__)
AGAIN_SECONDS = 2.0


class Command(BaseCommand):
    help = "Send outbound messages as they become due, until SIGTERM or SIGINT; any number may run, on any host."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self.stdout.write("sending")
        self.stdout.flush()
        sent = 0
        while not stop.is_set():
            sent += self._send(stop)
        self.stdout.write(f"{sent} messages sent")

    def _send(self, stop: threading.Event) -> int:
        """Until it is to stop, or the database is away: what was on its way then is sent again after its lease."""
        try:
            with sending_here(alone=False):
                return send_forever(stops=stop.is_set)
        except (OperationalError, InterfaceError) as failure:
            logger.error("database unavailable: %s", failure)
            connection.close()
            stop.wait(AGAIN_SECONDS)
            return 0
