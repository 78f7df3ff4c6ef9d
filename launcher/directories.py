"""Making directories of our own, temporary and lasting, without touching anybody else's."""

import os
import shutil
import tempfile
from pathlib import Path

from launcher.account import Account

PREFIX = "open-gas-das-"
ROOT_HOME = Path("/var/lib/open-gas-das")
OWNER_ONLY = 0o700
PASSABLE = 0o711
PUBLIC = 0o755
SOCKET_PATH_ROOM = 60


def create(path: Path, mode: int, parent_mode: int = PUBLIC) -> Path:
    """Make what is missing, with these modes whatever the umask says; leave what exists as it is."""
    if path.is_dir():
        return path
    create(path.parent, parent_mode, parent_mode)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    return path


def scratch_home(account: Account) -> Path:
    """Where temporary data can live so that the database's user reaches it."""
    usual = Path(tempfile.gettempdir())
    return usual if account.reaches(usual) else create(ROOT_HOME, PUBLIC)


def scratch(home: Path, mode: int = OWNER_ONLY) -> Path:
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    path.chmod(mode)
    return path


def socket_home() -> Path:
    """A unix socket's path has about 100 bytes, and ours goes into a URL: short and plain, or /tmp."""
    usual = tempfile.gettempdir()
    plain = usual.replace("/", "").replace("-", "").replace("_", "").isalnum() and usual.isascii()
    return Path(usual) if plain and len(usual) <= SOCKET_PATH_ROOM else Path("/tmp")  # noqa: S108  (mkdtemp inside)


def discard(path: Path) -> None:
    """Remove a temporary directory; the name is checked because a path may have come over a pipe."""
    if path.name.startswith(PREFIX) and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def write_private(path: Path, text: str) -> None:
    """Replace a 0600 file in one step: a crash leaves the old one or the new one, never half of it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
