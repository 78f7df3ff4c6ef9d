"""Fixtures that all tests share."""

import pytest

from tests.world import World, build_world


@pytest.fixture(autouse=True)
def _no_nudges(settings):
    """No test publishes to a broker by accident; those about nudging turn it on."""
    settings.OUTBOX_NUDGE = False


@pytest.fixture
def world(db) -> World:
    """One company with a CIS (without URL) and one manufacturer with a head-end."""
    return build_world()


@pytest.fixture
def priced_world(world: World) -> World:
    """The world with its three-tier yearly price."""
    assert world.create_price()["echoCode"] == "0000"
    return world
