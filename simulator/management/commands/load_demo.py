import os
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from protocol.parties import PartyError, create_company, create_manufacturer, create_peer

COMPANY, COMPANY_NAME = "10001001", "示范燃气公司"
FACTOR, FACTOR_NAME = "0030", "示范表具厂"
USER = "demo"


class Command(BaseCommand):
    help = (
        "Set up the demo, again and again without harm: a company, a manufacturer, a CIS, a head-end and the staff "
        "user 'demo'. Reads DEMO_CIS_APP_CODE, DEMO_CIS_APP_SECRET, DEMO_CIS_URL, DEMO_HEADEND_APP_CODE, "
        "DEMO_HEADEND_APP_SECRET, DEMO_PASSWORD and, if there is one, DEMO_HEADEND_URL from the environment; refuses "
        "to run outside DEBUG."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("the demo creates a superuser: it only runs with DEBUG=true")
        try:
            with transaction.atomic():
                self._load()
        except PartyError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"demo loaded: company {COMPANY}, manufacturer {FACTOR}, user {USER}")

    def _load(self) -> None:
        create_company(code=COMPANY, name=COMPANY_NAME)
        create_manufacturer(factor_no=FACTOR, name=FACTOR_NAME)
        create_peer(
            kind="cis",
            app_code=self._needed("DEMO_CIS_APP_CODE"),
            app_secret=self._needed("DEMO_CIS_APP_SECRET"),
            name="示范 CIS",
            url=self._needed("DEMO_CIS_URL"),
            companies=[COMPANY],
        )
        create_peer(
            kind="headend",
            app_code=self._needed("DEMO_HEADEND_APP_CODE"),
            app_secret=self._needed("DEMO_HEADEND_APP_SECRET"),
            name="示范采集前端",
            # Without it, commands travel in the answers to 2001 (R14).
            url=os.environ.get("DEMO_HEADEND_URL") or None,
            manufacturers=[FACTOR],
        )
        users = get_user_model().objects
        user, _ = users.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
        user.set_password(self._needed("DEMO_PASSWORD"))
        user.save()

    def _needed(self, name: str) -> str:
        value = os.environ.get(name, "")
        if not value:
            raise CommandError(f"{name} is not set")
        return value
