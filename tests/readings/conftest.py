"""Settlement goes by days: here it is noon in the middle of a month and of a cycle, whenever the tests run."""

import pytest
import time_machine

from tests.world import local


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(local("2026-03-17 12:00:00"), tick=True):
        yield
