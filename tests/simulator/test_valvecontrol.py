import pytest

from simulator.fleet import fleet
from tests.simulator.fake_platform import refusal
from tests.simulator.test_headend import taken, to_the_end


def told(valve_control):
    return lambda post: taken(post) | {"valvecontrol": valve_control}


@pytest.mark.parametrize(("valve_control", "states"), [("0", "2222"), ("1", "2333"), ("2", "2222"), ("3", "2333")])
def test_the_answer_to_a_report_moves_the_valve(valve_control, states):
    one = fleet(seed=1, factor="0030", meters=1)
    headend, posts = to_the_end(told(valve_control), meters=one, days=0, count=4)
    assert "".join(post.message["valveState"] for post in posts) == states
    done = headend.meters.executions.get("003000000001", [])
    assert [(one.sendSerialNo, one.kind, one.what) for one in done] == [("", "valvecontrol", "close")] * ("3" in states)
    assert headend.status.executed == len(done)


def test_the_answer_to_a_report_opens_a_closed_valve():
    left, one = ["3", "2", 0], fleet(seed=1, factor="0030", meters=1)
    headend, posts = to_the_end(lambda post: told(left.pop(0) if left else "2")(post), meters=one, days=0, count=5)
    assert "".join(post.message["valveState"] for post in posts) == "23322"
    assert [one.what for one in headend.meters.executions["003000000001"]] == ["close", "open"]


def test_a_refused_answer_moves_nothing():
    headend, _ = to_the_end(lambda post: refusal("x") | {"valvecontrol": "1"}, days=0)
    assert (headend.status.refused, headend.status.executed) == (8, 0)
