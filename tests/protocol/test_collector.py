"""While a sender runs, the collector of cyclic garbage looks rarely; afterwards it is as it was."""

import gc

from protocol.collector import NEW_OBJECTS, collecting_rarely


def test_the_collector_rests_until_the_last_block_ends():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with collecting_rarely():
        assert gc.get_threshold() == (NEW_OBJECTS, *before[1:])
        assert gc.get_freeze_count() > frozen
        with collecting_rarely():
            pass
        assert gc.get_threshold() == (NEW_OBJECTS, *before[1:])
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_it_is_as_before_after_a_failure():
    before = gc.get_threshold()
    try:
        with collecting_rarely():
            raise RuntimeError
    except RuntimeError:
        pass
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_garbage_is_still_collected():
    class Knot:
        alive = 0

        def __init__(self):
            self.itself = self
            Knot.alive += 1

        def __del__(self):
            Knot.alive -= 1

    with collecting_rarely():
        for _ in range(3 * NEW_OBJECTS):
            Knot()
        assert Knot.alive < 3 * NEW_OBJECTS
