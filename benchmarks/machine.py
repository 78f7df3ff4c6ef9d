"""Facts about the machine that belong beside a figure. Nothing that names it."""

import os
import platform
from typing import Any

import psycopg

from benchmarks.databases import server_url

SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "jit")


def facts() -> dict[str, Any]:
    """Cores, memory, versions, what the server promises to keep, and how busy the machine was."""
    with psycopg.connect(server_url()) as connection:
        return {
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "load_at_start": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "postgresql": f"{connection.info.server_version // 10_000}.{connection.info.server_version % 10_000}",
            **{name: _setting(connection, name) for name in SETTINGS},
        }


def _setting(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""
