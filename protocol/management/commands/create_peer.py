from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from protocol.models import PeerKind
from protocol.parties import PartyError, create_peer


class Command(BaseCommand):
    help = (
        "Create a peer (a CIS or a head-end). One that exists takes over name and URL and gains the companies "
        "and manufacturers named; it never loses any here."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=PeerKind.values)
        parser.add_argument("--app-code", required=True)
        parser.add_argument("--app-secret", help="made and printed once when left out for a new peer")
        parser.add_argument("--name")
        parser.add_argument("--url", metavar="BASE", help="where it takes messages, without the /api path")
        parser.add_argument("--company", action="append", default=[], metavar="CODE", help="may be repeated")
        parser.add_argument("--factor", action="append", default=[], metavar="NO", help="may be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            created = create_peer(
                kind=options["kind"],
                app_code=options["app_code"],
                app_secret=options["app_secret"],
                name=options["name"],
                url=options["url"],
                companies=options["company"],
                manufacturers=options["factor"],
            )
        except PartyError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"peer {options['app_code']} {'created' if created.is_new else 'exists'}")
        if created.made_secret:
            self.stdout.write(f"app secret (shown only now): {created.made_secret}")
