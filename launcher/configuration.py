"""What the user configured: the process environment first, then `.env` beside manage.py."""

import os
from collections.abc import Mapping
from pathlib import Path

import environ

from launcher.errors import StartRefused

PROJECT = Path(__file__).resolve().parent.parent
LOCAL = "127.0.0.1"


class Configuration:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    @classmethod
    def read(cls, project: Path = PROJECT, environment: Mapping[str, str] = os.environ) -> "Configuration":
        """Parse `.env` with the parser the Django settings use, so that both see the same values."""

        class Merged(environ.Env):
            ENVIRON = dict(environment)

        Merged.read_env(project / ".env")
        return cls(Merged.ENVIRON)

    def get(self, name: str, default: str = "") -> str:
        """An empty value counts as not set: `.env` files often carry `NAME=`."""
        return self.environment.get(name, "").strip() or default

    def number(self, name: str, default: int, *, lowest: int = 1, highest: int = 1_000) -> int:
        text = self.get(name, str(default))
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise StartRefused(f"{name}={text} is not a whole number from {lowest} to {highest}.")
        return int(text)

    def port(self, name: str, default: int) -> int:
        return self.number(name, default, highest=65_535)

    @property
    def web_host(self) -> str:
        return self.get("WEB_HOST", LOCAL)

    @property
    def web_port(self) -> int:
        return self.port("WEB_PORT", 8000)

    @property
    def cis_port(self) -> int:
        return self.port("CIS_PORT", 8101)

    @property
    def headend_port(self) -> int:
        return self.port("HEADEND_PORT", 8102)

    @property
    def web_url(self) -> str:
        """Where processes on this machine reach the web server: never a wildcard address."""
        host = {"0.0.0.0": LOCAL, "::": "::1"}.get(self.web_host, self.web_host)  # noqa: S104  (compared, not bound)
        return f"http://[{host}]:{self.web_port}" if ":" in host else f"http://{host}:{self.web_port}"
