"""A database of its own for a benchmark, migrated, and dropped at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

FILL = Path(__file__).resolve().parent / "settlement_fill.sql"


def server_url(database: str = "postgres") -> str:
    """The URL of a database on the server that DATABASE_URL names."""
    server = urlsplit(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1))
    return urlunsplit(server._replace(path=f"/{database}"))


@contextmanager
def scratch_database(name: str, *, migrated: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """Create a database on the server of DATABASE_URL, point Django at it, migrate; yield a connection in autocommit.

    Its name is `name` with the process's number, so that runs side by side do not meet. Call it once per process:
    Django reads its settings once.
    """
    admin_url, own = server_url(), server_url(f"{name}_{os.getpid()}")
    identifier = sql.Identifier(f"{name}_{os.getpid()}")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        try:
            os.environ |= {"DATABASE_URL": own, "DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "false"}
            os.environ.setdefault("SECRET_KEY", "x" * 50)
            if migrated:
                django.setup()
                call_command("migrate", verbosity=0)
            with psycopg.connect(own, autocommit=True) as connection:
                yield connection
        finally:
            if migrated:
                connections.close_all()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
