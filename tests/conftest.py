"""Fixtures that all tests share."""

import pytest

from office import admin as office_admin
from office import command_search
from staff import admin_base
from tests.world import World, build_world


@pytest.fixture(autouse=True)
def _no_nudges(settings):
    """No test publishes to a broker by accident; those about nudging turn it on."""
    settings.OUTBOX_NUDGE = False


@pytest.fixture(autouse=True)
def _patience():
    """Pages give up a count or a search for being slow only in tests about that, not since the machine is busy."""
    with pytest.MonkeyPatch.context() as patience:
        patience.setattr(admin_base, "COUNT_PATIENCE_MS", 60_000)
        patience.setattr(admin_base, "LIST_PATIENCE_MS", 60_000)
        patience.setattr(office_admin, "FOUND_ONCE_MS", 60_000)
        patience.setattr(command_search, "PATIENCE_MS", 60_000)
        yield


@pytest.fixture
def world(db) -> World:
    """One company with a CIS (without URL) and one manufacturer with a head-end."""
    return build_world()


@pytest.fixture
def priced_world(world: World) -> World:
    """The world with its three-tier yearly price."""
    assert world.create_price()["echoCode"] == "0000"
    return world
