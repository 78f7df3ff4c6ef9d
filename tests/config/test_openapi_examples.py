"""Each example of the interface's documentation, posted signed to the real endpoint, is answered as it shows."""

import json
from datetime import date, datetime

import pytest
import time_machine

from config.openapi_examples import ANSWERS, EXAMPLES
from config.urls import MESSAGES
from meters.models import Meter
from protocol.models import OutboundMessage
from readings.settlement import settle_meter
from tests.world import World, build_world

pytestmark = pytest.mark.django_db
# One meter lives through them in this order; 1002 and 1009 each end it.
FIRST = ["1007", "1001", "2001", "2003", "1004", "1005", "2002", "1008", "1013", "1014", "1015"]
LIVES = [[*FIRST, "1002"], [*FIRST, "1009"]]
# Made anew by each answer.
VOLATILE = {"rdateTime", "deviceId", "readDate"}


@pytest.fixture
def world():
    with time_machine.travel(datetime.fromisoformat("2026-01-31T18:00:00+08:00"), tick=True):
        yield build_world()


def before(code: str, world: World) -> None:
    """What somebody else has done before the example makes sense."""
    if code == "1008":
        body = {**EXAMPLES["1007"], "serialNo": "another-price", "priceCode": EXAMPLES["1008"]["newPriceCode"]}
        assert post(world, "1007", body)["echoCode"] == "0000"
    if code == "1015":
        settle_meter(Meter.objects.get().pk, through=date(2026, 1, 31))
    if code == "2002":
        world.headend_peer.url = "http://127.0.0.1:9"
        world.headend_peer.save()
        assert post(world, "1004", {**EXAMPLES["1004"], "serialNo": "another-command"})["echoCode"] == "0000"
        OutboundMessage.objects.filter(code="1004").update(serial_no=EXAMPLES["2002"]["sendSerialNo"])


def post(world: World, code: str, body):
    caller = world.headend if code.startswith("2") else world.cis
    response = caller.post(code, body)
    assert response.status_code == 200
    return json.loads(b"".join(response.streaming_content) if response.streaming else response.content)


def shape(value, name=""):
    """With what each answer makes anew taken for the same."""
    if isinstance(value, dict):
        return {key: shape(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__ if name in VOLATILE else value


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life[-1])
def test_the_examples_in_the_life_of_a_meter(world, life):
    for code in life:
        before(code, world)
        answer = post(world, code, EXAMPLES[code])
        assert answer["echoCode"] == "0000", (code, answer)
        assert shape(answer) == shape(ANSWERS[code]), code


def test_every_message_has_an_example_and_an_answer():
    assert set(EXAMPLES) == set(ANSWERS) == {code for code, _route, _endpoint in MESSAGES}
