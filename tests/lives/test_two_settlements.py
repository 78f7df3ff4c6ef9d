"""Two processes settle at once, each on several connections: together they do what one does."""

from contextlib import ExitStack

import pytest
from django.db import transaction

from meters.models import Account
from tests.lives.many_meters import environment, figures, found, go_on, settle_through, settling, unsettled
from tests.lives.meetings import until_waiting
from tests.running.processes import running

SIZE = {"meters": 260, "replaced": 130}


@pytest.mark.django_db(transaction=True)
def test_two_processes_settle_like_one(tmp_path):
    alone = found("1", **SIZE)
    settle_through(alone, 2)
    go_on(alone)
    settle_through(alone, 6)
    town = found("2", **SIZE)
    settle_through(town, 2)
    go_on(town)

    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    with ExitStack() as stack:
        with transaction.atomic():
            Account.objects.select_for_update().filter(meter__company=town.company).order_by("pk").first()
            both = [
                stack.enter_context(running(settling(town), log=log, environment=environment(chunk=3))) for log in logs
            ]
            until_waiting(2)
        for process, log in zip(both, logs, strict=True):
            assert process.process.wait(120) == 0, log.read_text()

    assert unsettled(town) == 0
    assert figures(town) == figures(alone)
    assert "deadlock" not in logs[0].read_text() + logs[1].read_text()
