"""A database of its own for a benchmark, migrated, and dropped at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django
import psycopg
from django.core.management import call_command
from psycopg import sql


@contextmanager
def scratch_database(name: str) -> Iterator[psycopg.Connection[Any]]:
    """Create `name` on the server of DATABASE_URL, point Django at it, migrate; yield a connection in autocommit."""
    server = urlsplit(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1))
    own = urlunsplit(server._replace(path=f"/{name}"))
    with psycopg.connect(urlunsplit(server._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            os.environ |= {"DATABASE_URL": own, "DJANGO_SETTINGS_MODULE": "config.settings"}
            os.environ.setdefault("SECRET_KEY", "x" * 50)
            django.setup()
            call_command("migrate", verbosity=0)
            with psycopg.connect(own, autocommit=True) as connection:
                yield connection
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
