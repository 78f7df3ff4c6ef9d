"""A customer who falls into arrears a second time (R11): closed, paid, opened, closed again."""

import time_machine
from django.utils import timezone

from readings.settlement import settle
from tests.world import COMPANY, FACTOR, local

METER = "188011110128"


def report_and_settle(world, day, index, valve):
    """The answer's valvecontrol to a report at noon of `day`; then the day is settled."""
    with time_machine.travel(local(f"{day} 12:00:00"), tick=False):
        answer = world.report(timezone.now(), index, valveState=valve)
        settle(through=timezone.localdate(), now=timezone.now())
        return answer["valvecontrol"]


def pay(world, day, amount, stream):
    with time_machine.travel(local(f"{day} 13:00:00"), tick=False):
        detail = {"rechargeAmount": amount, "rechargeStream": stream}
        names = {"companyCode": COMPANY, "factorNo": FACTOR, "userNo": METER, "meterNo": METER, "sdateTime": day}
        context = {"total": "1", "data": detail}
        assert world.cis.send("1004", **names, paramNo="05", paramContext=context)["echoCode"] == "0000"


def test_who_falls_into_arrears_again_is_closed_again(priced_world):
    world = priced_world
    with time_machine.travel(local("2026-03-01 09:00:00"), tick=False):
        assert world.register(sdateTime="2026-03-01")["echoCode"] == "0000"
    opened, closed = "2", "3"
    nothing, open_it, close_it = "2", "0", "3"
    pay(world, "2026-03-01", "10", "a")
    assert report_and_settle(world, "2026-03-02", "10", opened) == nothing
    assert report_and_settle(world, "2026-03-03", "10", opened) == close_it
    assert report_and_settle(world, "2026-03-04", "10", closed) == nothing
    pay(world, "2026-03-04", "10", "b")
    assert report_and_settle(world, "2026-03-05", "10", closed) == open_it
    assert report_and_settle(world, "2026-03-06", "30", opened) == nothing
    assert report_and_settle(world, "2026-03-07", "30", opened) == close_it
