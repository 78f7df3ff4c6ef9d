"""Facts about the machine that belong beside a figure. Nothing that names it."""

import os
import platform
from typing import Any

import psycopg

SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "jit")


def facts() -> dict[str, Any]:
    """Cores, memory, version of Python, and how busy the machine is now."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def server(url: str) -> dict[str, Any]:
    """The version of a PostgreSQL server, and what it promises to keep."""
    with psycopg.connect(url) as connection:
        version = connection.info.server_version
        return {
            "postgresql": f"{version // 10_000}.{version % 10_000}",
            **{name: _setting(connection, name) for name in SETTINGS},
        }


def _setting(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""
