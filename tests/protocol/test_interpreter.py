"""While a sender runs, Python collects rarely and switches between threads soon; afterwards it is as it was."""

import gc
import sys

from protocol.interpreter import NEW_OBJECTS, SWITCH_SECONDS, tuned_for_sending


def found():
    return gc.get_threshold(), round(sys.getswitchinterval(), 6), gc.get_freeze_count() > 0


def test_it_is_tuned_until_the_last_block_ends():
    before = found()
    tuned = (NEW_OBJECTS, *before[0][1:]), SWITCH_SECONDS, True
    with tuned_for_sending():
        assert found() == tuned
        with tuned_for_sending():
            pass
        assert found() == tuned
    assert found() == before


def test_it_is_as_before_after_a_failure():
    before = found()
    try:
        with tuned_for_sending():
            raise RuntimeError
    except RuntimeError:
        pass
    assert found() == before


def test_garbage_is_still_collected():
    class Knot:
        alive = 0

        def __init__(self):
            self.itself = self
            Knot.alive += 1

        def __del__(self):
            Knot.alive -= 1

    with tuned_for_sending():
        for _ in range(3 * NEW_OBJECTS):
            Knot()
        assert Knot.alive < 3 * NEW_OBJECTS
