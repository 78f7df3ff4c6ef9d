"""kill -9 of the settlement at any moment, and started again until it is done: as if nothing had happened."""

import random
import time

import pytest

from meters.models import Meter
from readings.audit import Audit
from tests.lives.many_meters import environment, figures, found, go_on, settle_through, settling, unsettled
from tests.running.processes import running, wait_until

SIZE = {"meters": 2500, "replaced": 500}
CHUNK = 20
# When to kill: so many accounts are left of 3,000. The last 500 replaced another; then come close commands.
LEFT = [2600, 1000, 300, 0]


@pytest.mark.django_db(transaction=True)
def test_a_settlement_that_is_killed_again_and_again_ends_like_an_undisturbed_one(tmp_path):
    undisturbed = found("1", **SIZE)
    settle_through(undisturbed, 2)
    go_on(undisturbed)
    settle_through(undisturbed, 6)
    expected = figures(undisturbed)
    town = found("2", **SIZE)
    settle_through(town, 2)
    go_on(town)

    for left in LEFT:
        kill_a_settlement(tmp_path, town, lambda left=left: unsettled(town) <= left)
    log = tmp_path / "settle.log"
    with running(settling(town), log=log, environment=environment(chunk=CHUNK)) as process:
        assert process.process.wait(120) == 0, log.read_text()

    assert unsettled(town) == 0
    made = figures(town)
    for what, rows in expected.items():
        assert len(rows) > 0
        assert made[what] == rows, what
    some = Meter.objects.filter(company=town.company, meter_no__regex="(19|77)$")
    # These towns keep no states.
    unkept = ("latest index", "recharged", "recharges")
    assert [one for one in Audit().differences(some) if one.what not in unkept] == []
    settle_through(town, 6)
    assert figures(town) == made
    assert figures(undisturbed) == expected


def kill_a_settlement(folder, town, is_time):
    """Then, or a moment later: in the middle of a chunk, or between two."""
    log = folder / "settle.log"
    with running(settling(town), log=log, environment=environment(chunk=CHUNK)) as process:
        wait_until(lambda: is_time() or process.process.poll() is not None, seconds=120, what="it settles")
        assert process.process.poll() is None or not unsettled(town), log.read_text()
        time.sleep(random.uniform(0, 0.05))
        process.kill()
