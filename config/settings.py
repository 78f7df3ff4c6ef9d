"""All settings, read from the environment (and `.env` beside manage.py) through django-environ.

README's configuration table lists every variable; `.env.example` holds the same with comments.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

DEVELOPMENT_SECRET_KEY = "insecure-development-only"  # noqa: S105  (refused outside DEBUG, just below)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default=DEVELOPMENT_SECRET_KEY)
if not DEBUG and (SECRET_KEY in ("", DEVELOPMENT_SECRET_KEY, "change-me") or len(SECRET_KEY) < 32):
    raise ImproperlyConfigured(
        "SECRET_KEY is missing, a known default, or shorter than 32 characters. "
        "Set SECRET_KEY in the environment or in .env (see .env.example), or set DEBUG=true for development."
    )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_FAILURE_VIEW = "config.views.csrf_failed"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=False)
SESSION_COOKIE_SECURE = SECURE_COOKIES
CSRF_COOKIE_SECURE = SECURE_COOKIES
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Rooms in import order: each app imports only from those above it (tests/config/test_rooms.py).
INSTALLED_APPS = [
    "protocol",
    "staff",
    "pricing",
    "meters",
    "commands",
    "alarms",
    "readings",
    "analysis",
    "office",
    "simulator",
    # Before the admin, whose templates it replaces.
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.locale.ChosenLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "staff.patience.TooLongMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: PostgreSQL 15 or later, psycopg 3 with Django's own connection pool.
DATABASES = {"default": env.db("DATABASE_URL", default="postgres://postgres@127.0.0.1:5432/das")}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database (postgres://…).")
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    # Django's own statements are never prepared; those of a report are (protocol/statements.py).
    "prepare_threshold": 5 if env.bool("DATABASE_PREPARE", default=True) else None,
    "pool": {
        "min_size": env.int("DATABASE_POOL_MIN", default=1),
        "max_size": env.int("DATABASE_POOL_MAX", default=8),
        "timeout": env.float("DATABASE_POOL_TIMEOUT_SECONDS", default=5.0),
    },
}
# Large tables partitioned by time: see protocol/partitions. `keep_days` 0 keeps for ever.
PARTITIONS_AHEAD_DAYS = env.int("PARTITIONS_AHEAD_DAYS", default=14)
SERIAL_RETENTION_DAYS = env.int("SERIAL_RETENTION_DAYS", default=180)
OUTBOUND_RETENTION_DAYS = env.int("OUTBOUND_RETENTION_DAYS", default=180)
PARTITIONED_TABLES: dict[str, dict[str, Any]] = {
    "readings.Reading": {
        "column": "read_at",
        "interval": "month",
        "behind_days": 31,
        "keep_days": env.int("READING_RETENTION_DAYS", default=0),
    },
    "readings.DailyUsage": {
        "column": "day",
        "interval": "month",
        "behind_days": 31,
        "keep_days": env.int("USAGE_RETENTION_DAYS", default=0),
    },
    "protocol.InboundMessage": {
        "column": "received_at",
        "interval": "month",
        "behind_days": 1,
        "keep_days": env.int("INBOUND_RETENTION_DAYS", default=SERIAL_RETENTION_DAYS),
    },
    "protocol.OutboundMessage": {
        "column": "created_at",
        "interval": "month",
        "behind_days": 1,
        "keep_days": OUTBOUND_RETENTION_DAYS,
        # Room on each page for what a try changes.
        "storage": "fillfactor = 50",
        "final": "state <> 'pending'",
        "unfinished": "protocol.owed.owed_in",
    },
    "protocol.OutboundAttempt": {
        "column": "message_created_at",
        "interval": "month",
        "behind_days": 1,
        "keep_days": OUTBOUND_RETENTION_DAYS,
        "follows": "protocol.OutboundMessage",
    },
}
if 0 < PARTITIONED_TABLES["protocol.InboundMessage"]["keep_days"] < SERIAL_RETENTION_DAYS:
    raise ImproperlyConfigured(
        "INBOUND_RETENTION_DAYS must not be less than SERIAL_RETENTION_DAYS: a repeat gets the answer of the first."
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="zh-hans")
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
# The second: words of the admin's theme, which ships no Chinese of its own.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale_theme"]
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = env.str("TIME_ZONE", default="Asia/Shanghai")
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=None)
# Static files come straight from the packages; STATIC_ROOT is only for who wants to collect them.
WHITENOISE_USE_FINDERS = True

# The admin's theme.
UNFOLD = {
    "SITE_TITLE": _("Gas meter data acquisition"),
    "SITE_HEADER": _("Gas meter data acquisition"),
    "SITE_URL": None,
    "DASHBOARD_CALLBACK": "office.home.home",
    "STYLES": [lambda request: static("office/office.css")],
    "SCRIPTS": [lambda request: static("office/office.js")],
    "SITE_SYMBOL": "gas_meter",
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "staff.navigation.sidebar",
    },
    # A calm blue; white on 600, 600 on white, and 500 on the dark page have a contrast above 4.5.
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(66.5% .19 258)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        }
    },
}

# The interface's documentation, for signed-in staff at /docs/.
INTERFACE_DOCS_PUBLIC = env.bool("INTERFACE_DOCS_PUBLIC", default=False)
SPECTACULAR_SETTINGS = {
    "TITLE": "Open Gas DAS",
    "VERSION": "1",
    "PREPROCESSING_HOOKS": ["config.openapi.without_views"],
    "POSTPROCESSING_HOOKS": ["config.openapi.with_everything"],
    # Served from here: no request goes to another host.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}

# The wire (R4-R6).
MAINTENANCE = env.bool("MAINTENANCE", default=False)
SIGNATURE_WINDOW_SECONDS = env.int("SIGNATURE_WINDOW_SECONDS", default=600)
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=1024 * 1024)
MAX_BODY_DEPTH = 16
DATA_UPLOAD_MAX_MEMORY_SIZE = max(MAX_BODY_BYTES, 2_621_440)

# Prices and readings (R9, R10).
PRICE_MAX_BACKDATE_DAYS = env.int("PRICE_MAX_BACKDATE_DAYS", default=0)
READING_JUMP_LIMIT_M3_PER_DAY = env.int("READING_JUMP_LIMIT_M3_PER_DAY", default=10_000)
READING_FUTURE_TOLERANCE_SECONDS = 600
COMMAND_LIFE_HOURS = env.int("COMMAND_LIFE_HOURS", default=72)
if 0 < OUTBOUND_RETENTION_DAYS * 24 <= COMMAND_LIFE_HOURS:
    raise ImproperlyConfigured(
        "OUTBOUND_RETENTION_DAYS must be longer than COMMAND_LIFE_HOURS: a result names the message of its command."
    )
SETTLEMENT_CHUNK_METERS = env.int("SETTLEMENT_CHUNK_METERS", default=50_000)
SETTLEMENT_CONNECTIONS = env.int("SETTLEMENT_CONNECTIONS", default=2)

# The platform's own alarms, unless a manufacturer has thresholds of its own.
ALARM_SILENT_DAYS = env.int("ALARM_SILENT_DAYS", default=3)
ALARM_BATTERY_VOLTS = Decimal(env.str("ALARM_BATTERY_VOLTS", default="3.0"))

# Exports in the background: web and worker must see the same directory.
EXPORT_DIR = env.str("EXPORT_DIR", default=str(BASE_DIR / "var" / "exports"))
EXPORT_LIFE_HOURS = env.int("EXPORT_LIFE_HOURS", default=24)
EXPORT_SWEEP_SECONDS = env.float("EXPORT_SWEEP_SECONDS", default=60.0)

# Outbound delivery (R15).
OUTBOX_BATCH = env.int("OUTBOX_BATCH", default=500)
OUTBOX_CONCURRENCY = env.int("OUTBOX_CONCURRENCY", default=512)
OUTBOX_PEER_CONCURRENCY = env.int("OUTBOX_PEER_CONCURRENCY", default=256)
OUTBOX_PEER_RATE = env.int("OUTBOX_PEER_RATE", default=0)
OUTBOX_LEASE_SECONDS = env.int("OUTBOX_LEASE_SECONDS", default=120)
OUTBOX_CONNECT_TIMEOUT_SECONDS = env.float("OUTBOX_CONNECT_TIMEOUT_SECONDS", default=5.0)
OUTBOX_READ_TIMEOUT_SECONDS = env.float("OUTBOX_READ_TIMEOUT_SECONDS", default=20.0)
OUTBOX_TOTAL_TIMEOUT_SECONDS = env.float("OUTBOX_TOTAL_TIMEOUT_SECONDS", default=30.0)
if OUTBOX_LEASE_SECONDS <= OUTBOX_TOTAL_TIMEOUT_SECONDS:
    raise ImproperlyConfigured(
        "OUTBOX_LEASE_SECONDS must exceed OUTBOX_TOTAL_TIMEOUT_SECONDS: a message whose lease ends while it is being "
        "sent would be sent twice."
    )
OUTBOX_TASK_SECONDS = env.float("OUTBOX_TASK_SECONDS", default=20.0)
OUTBOX_SWEEP_SECONDS = env.float("OUTBOX_SWEEP_SECONDS", default=5.0)
OUTBOX_ANSWER_READERS = {
    "1004": "commands.headend.read_sending",
    "1005": "commands.headend.read_cancellation",
    "2001": "readings.callbacks.keep_cis_answer",
}
# These read many answers at once; the reader above remains for what they stumble over.
OUTBOX_BATCH_ANSWER_READERS = {"2001": "readings.callbacks.keep_cis_answers"}
OUTBOX_NUDGE = env.bool("OUTBOX_NUDGE", default=True)

# Celery: Redis, Valkey or RabbitMQ. No results, acknowledge late, never wait for a broker redelivery.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2.0
CELERY_TASK_DEFAULT_QUEUE = env.str("CELERY_QUEUE", default="das")
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    "deliver": {
        "task": "protocol.deliver",
        "schedule": OUTBOX_SWEEP_SECONDS,
        "options": {"expires": max(OUTBOX_SWEEP_SECONDS, 1.0)},
    },
    "forget-serials": {"task": "protocol.forget_serials", "schedule": crontab(hour="3", minute="40")},
    "tend-partitions": {
        "task": "protocol.tend_partitions",
        "schedule": crontab(minute="5"),
        "options": {"expires": 3000},
    },
    "expire-commands": {"task": "commands.expire", "schedule": 60.0, "options": {"expires": 55}},
    "carry-out-bulks": {"task": "commands.carry_out_bulks", "schedule": 5.0, "options": {"expires": 5}},
    "sweep-exports": {
        "task": "analysis.sweep_exports",
        "schedule": EXPORT_SWEEP_SECONDS,
        "options": {"expires": max(EXPORT_SWEEP_SECONDS, 1.0)},
    },
    "watch-silence": {
        "task": "alarms.watch_silence",
        "schedule": crontab(minute="20"),
        "options": {"expires": 3000},
    },
    "settle-yesterday": {"task": "readings.settle_due", "schedule": crontab(hour="0", minute="30")},
    "count-ahead": {"task": "office.count_ahead", "schedule": crontab(minute="*/5"), "options": {"expires": 290}},
    "tidy-office": {"task": "office.tidy", "schedule": crontab(hour="2", minute="30")},
    "settle-late": {"task": "readings.settle_due", "schedule": crontab(minute="*/10"), "options": {"expires": 590}},
}

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
}
