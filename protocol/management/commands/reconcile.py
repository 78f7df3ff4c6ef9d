import csv
from argparse import FileType
from dataclasses import astuple, fields
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from protocol import reconciliation
from protocol.models import Company


class Command(BaseCommand):
    help = (
        "Print as CSV what was made for the peers of a company on a day, and what became of it; "
        "or send again what they say they lack."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--company", required=True, metavar="CODE")
        parser.add_argument("--day", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
        parser.add_argument(
            "--resend", action="append", default=[], metavar="CODE", help="all of this code; repeatable"
        )
        parser.add_argument(
            "--resend-serials",
            type=FileType("r"),
            metavar="FILE",
            help="these, one serial number a line (- for stdin)",
        )

    def handle(self, *args: Any, company: str, day: date, resend: list[str], **options: Any) -> None:
        found = Company.objects.filter(code=company).first()
        if found is None:
            raise CommandError(f"there is no company {company}")
        if options["resend_serials"] is not None:
            serials = [line.strip() for line in options["resend_serials"] if line.strip()]
            count = reconciliation.resend_serials(serials, company=found, now=timezone.now())
            self.stdout.write(f"{count} of {len(serials)} messages will be sent again")
        elif resend:
            count = reconciliation.resend_day(company=found, day=day, codes=resend, now=timezone.now())
            self.stdout.write(f"{count} messages will be sent again")
        else:
            self._print(reconciliation.report(company=found, day=day))

    def _print(self, lines: list[reconciliation.Line]) -> None:
        writer = csv.writer(self.stdout, lineterminator="\n")
        writer.writerow(field.name for field in fields(reconciliation.Line))
        writer.writerows(astuple(line) for line in lines)
