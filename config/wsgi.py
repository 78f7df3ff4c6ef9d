import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

usual = get_wsgi_application()

# What these import needs Django set up.
from config.urls import MESSAGES  # noqa: E402
from protocol.short_way import ShortWay  # noqa: E402

application = ShortWay(usual, MESSAGES)
