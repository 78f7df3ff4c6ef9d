from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from protocol.parties import create_company


class Command(BaseCommand):
    help = "Create a gas company, or rename it when its code exists."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="companyCode on the wire")
        parser.add_argument("--name", required=True)

    def handle(self, *args: Any, code: str, name: str, **options: Any) -> None:
        created = create_company(code=code, name=name)
        self.stdout.write(f"company {code} {'created' if created.is_new else 'exists'}")
