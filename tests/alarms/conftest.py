"""A company whose CIS can be told, and one of its meters."""

import pytest

from meters.models import Meter
from tests.world import World, build_world


@pytest.fixture
def world(db) -> World:
    world = build_world(cis_url="http://127.0.0.1:9/")
    assert world.create_price()["echoCode"] == "0000"
    return world


@pytest.fixture
def meter(world) -> Meter:
    assert world.register()["echoCode"] == "0000"
    return Meter.objects.get()
