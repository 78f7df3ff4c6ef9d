"""The project as a whole: migrations, beat, the table of messages, settings that refuse a weak secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app
from django.core.management import call_command
from django.test import Client
from django.urls import resolve

from config import settings as settings_module
from config.urls import MESSAGES
from protocol.paths import message_path

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_no_migration_is_missing(capsys):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_beat_entry_names_a_task_that_exists(settings):
    current_app.loader.import_default_modules()
    entries = {name: entry["task"] for name, entry in settings.CELERY_BEAT_SCHEDULE.items()}
    assert entries == {
        "deliver": "protocol.deliver",
        "expire-commands": "commands.expire",
        "carry-out-bulks": "commands.carry_out_bulks",
        "count-ahead": "office.count_ahead",
        "tidy-office": "office.tidy",
        "tend-partitions": "protocol.tend_partitions",
        "forget-serials": "protocol.forget_serials",
        "sweep-exports": "analysis.sweep_exports",
        "watch-silence": "alarms.watch_silence",
        "settle-yesterday": "readings.settle_due",
        "settle-late": "readings.settle_due",
    }
    assert set(entries.values()) <= set(current_app.tasks)


def test_the_table_of_messages_has_the_paths_that_the_outbox_posts_to():
    assert [code for code, _, _ in MESSAGES] == [
        *("1001", "1002", "1004", "1005", "1007", "1008", "1009", "1013", "1014", "1015"),
        *("2001", "2002", "2003"),
    ]
    for code, route, endpoint in MESSAGES:
        assert f"/{route}" == message_path(code)
        assert resolve(message_path(code)).func.view_class is endpoint


@pytest.mark.django_db
def test_a_visitor_is_led_to_the_admin():
    response = Client().get("/")
    assert (response.status_code, response["Location"]) == (302, "/admin/")


@pytest.mark.django_db
def test_healthz_reaches_the_database():
    response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def start(**environment):
    kept = {name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "DEBUG")}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("secret", [None, "", "change-me", "insecure-development-only", "short"])
def test_outside_debug_a_weak_secret_is_refused_with_a_clear_message(secret):
    result = start(DEBUG="false", **({} if secret is None else {"SECRET_KEY": secret}))
    assert result.returncode != 0
    assert "SECRET_KEY is missing, a known default, or shorter than 32 characters." in result.stderr


def test_outside_debug_a_good_secret_is_accepted():
    assert start(DEBUG="false", SECRET_KEY="k" * 50).returncode == 0


def test_only_postgresql_is_accepted():
    result = start(DEBUG="true", DATABASE_URL="sqlite:///x.db")
    assert result.returncode != 0
    assert "DATABASE_URL must name a PostgreSQL database" in result.stderr


def test_messages_that_came_in_are_kept_as_long_as_their_serials():
    refused = start(DEBUG="true", INBOUND_RETENTION_DAYS="30", SERIAL_RETENTION_DAYS="31")
    assert refused.returncode != 0
    assert "INBOUND_RETENTION_DAYS must not be less than SERIAL_RETENTION_DAYS" in refused.stderr
    assert start(DEBUG="true", INBOUND_RETENTION_DAYS="0").returncode == 0
    assert start(DEBUG="true", SERIAL_RETENTION_DAYS="400").returncode == 0


def test_messages_that_go_out_are_kept_longer_than_commands_live():
    refused = start(DEBUG="true", OUTBOUND_RETENTION_DAYS="3", COMMAND_LIFE_HOURS="72")
    assert refused.returncode != 0
    assert "OUTBOUND_RETENTION_DAYS must be longer than COMMAND_LIFE_HOURS" in refused.stderr
    assert start(DEBUG="true", OUTBOUND_RETENTION_DAYS="4", COMMAND_LIFE_HOURS="72").returncode == 0
    assert start(DEBUG="true", OUTBOUND_RETENTION_DAYS="0").returncode == 0


def test_the_example_environment_names_every_variable_that_settings_read():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = {line.lstrip("# ").split("=")[0] for line in example.splitlines() if "=" in line}
    source = Path(settings_module.__file__).read_text(encoding="utf-8")
    read = {part.split('"')[1] for part in source.split("env.")[1:] if '("' in part.split("\n")[0]}
    assert read - named == set()
    assert "SECRET_KEY" in read
