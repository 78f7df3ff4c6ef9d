"""The state directory: what a checkout keeps between two starts."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher import directories
from launcher.configuration import PROJECT, Configuration
from launcher.errors import StartRefused

KEPT_LOGS = 3


def place(configuration: Configuration, project: Path = PROJECT) -> Path:
    """Inside the checkout; for root outside it, because the database's user may not reach the checkout."""
    if chosen := configuration.get("DAS_STATE_DIR"):
        return Path(chosen).expanduser().resolve()
    if os.geteuid() == 0:
        return directories.ROOT_HOME / hashlib.sha256(bytes(project)).hexdigest()[:12]
    return project / "var"


class StateDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "log"
        self.lock = path / "lock"
        self.services = path / "services.json"

    def prepare(self) -> None:
        mode = directories.PASSABLE if os.geteuid() == 0 else directories.OWNER_ONLY
        try:
            directories.create(self.path, mode)
            directories.create(self.logs, directories.OWNER_ONLY)
            if not os.access(self.logs, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise StartRefused(
                f"cannot use {self.path} for data ({error.strerror}): "
                "name another place with DAS_STATE_DIR=<directory>."
            ) from error

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def rotate_logs(self) -> None:
        """Every start writes new files; a few older ones stay as .1, .2, .3."""
        for log in self.logs.glob("*.log"):
            for age in range(KEPT_LOGS - 1, 0, -1):
                older = log.with_name(f"{log.name}.{age}")
                if older.exists():
                    older.replace(log.with_name(f"{log.name}.{age + 1}"))
            log.replace(log.with_name(f"{log.name}.1"))

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """A value made at the first start and kept, readable by its owner only."""
        path = self.path / name
        kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        if not kept:
            kept = make()
            directories.write_private(path, kept + "\n")
        return kept

    def publish_services(self, content: dict[str, Any]) -> None:
        directories.write_private(self.services, json.dumps(content, indent=2) + "\n")

    def running_services(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self.services.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def withdraw_services(self) -> None:
        self.services.unlink(missing_ok=True)
