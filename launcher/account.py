"""The operating-system user that runs PostgreSQL, which refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import StartRefused

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    foreign: bool

    def spawn_options(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.foreign else {}

    def own(self, path: Path) -> None:
        if self.foreign:
            os.chown(path, self.uid, self.gid)

    def reaches(self, directory: Path) -> bool:
        """Ask the kernel rather than reading mode bits: access lists and mounts count too."""
        if not self.foreign:
            return True
        change = subprocess.run(  # noqa: S603  (fixed command; the path is an argument)
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **self.spawn_options(),
        )
        return change.returncode == 0


def database_account() -> Account:
    uid = os.geteuid()
    if uid != 0:
        return Account(name="", uid=uid, gid=os.getegid(), foreign=False)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, foreign=True)
    raise StartRefused("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as.")
