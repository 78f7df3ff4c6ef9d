from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from protocol.parties import create_manufacturer


class Command(BaseCommand):
    help = "Create a meter manufacturer, or rename it when its factorNo exists."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("factor_no", metavar="factorNo", help="factorNo on the wire")
        parser.add_argument("--name", required=True)

    def handle(self, *args: Any, factor_no: str, name: str, **options: Any) -> None:
        created = create_manufacturer(factor_no=factor_no, name=name)
        self.stdout.write(f"manufacturer {factor_no} {'created' if created.is_new else 'exists'}")
