from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from readings.settlement import DayInFuture, SettlementIncomplete, settle


class Command(BaseCommand):
    help = "Settle every day that is due, through yesterday or the given day; print the meter-days settled."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--through", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the last day to settle")

    def handle(self, *args: Any, through: date | None, **options: Any) -> None:
        now = timezone.now()
        through = through or timezone.localdate(now) - timedelta(days=1)
        try:
            settled = settle(through=through, now=now)
        except (DayInFuture, SettlementIncomplete) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{settled.meter_days} meter-days settled through {through}")
