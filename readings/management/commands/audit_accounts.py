import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from meters.models import Meter
from readings.audit import Audit


class Command(BaseCommand):
    help = (
        "Compute every account once more from readings, prices and recharges; print each difference. "
        "Exit status 1 when there is one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--company", metavar="CODE", help="only this company's meters")
        parser.add_argument("--meter", metavar="NO", help="only this meter number")

    def handle(self, *args: Any, company: str | None, meter: str | None, **options: Any) -> None:
        meters = Meter.objects.all()
        if company:
            meters = meters.filter(company__code=company)
        if meter:
            meters = meters.filter(meter_no=meter)
        found = 0
        for difference in Audit().differences(meters):
            found += 1
            self.stdout.write(
                f"{difference.meter_no} {difference.what}: kept {difference.kept}, expected {difference.expected}"
            )
        self.stdout.write(f"{meters.count()} accounts audited, {found} differences")
        if found:
            sys.exit(1)
