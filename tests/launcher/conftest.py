import shutil
import tempfile
from pathlib import Path

import pytest

from launcher.stopping import StopRequest
from launcher.watch import Guard


@pytest.fixture
def home():
    """A directory with a space in its name that the database's user can enter; tmp_path is closed to it."""
    outer = Path(tempfile.mkdtemp(prefix="das-test-"))
    outer.chmod(0o711)
    inner = outer / "with a space"
    inner.mkdir()
    inner.chmod(0o711)
    yield inner
    shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture
def guard():
    with Guard() as running:
        yield running


@pytest.fixture
def stop():
    """Not listening: signals of the test run stay with pytest."""
    return StopRequest()
