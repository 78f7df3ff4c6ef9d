import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from simulator.fleet import fleet
from simulator.headend import HeadEnd
from simulator.headend_plan import HeadEndPlan, HeadEndStatus
from simulator.reports import report_message
from tests.simulator.fake_platform import NOW, PATIENCE_SECONDS, refusal, running

PAST_DAYS = [f"2026-11-{day}" for day in (19, 20, 21)]


class Clock:
    """Ten seconds pass at each look."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        self.now += timedelta(seconds=10)
        return self.now


def taken(post):
    return {"echoCode": "0000", "serialNo": post.serial_no, "valvecontrol": "2"}


def plan_of(**changes):
    options: dict[str, Any] = {
        "company": "10001001",
        "factor": "0030",
        "meters": fleet(seed=1, factor="0030", meters=4),
        "days": 3,
        "seed": 1,
        "rate": 2000.0,
        "count": 8,
        "first_pause": 0.002,
    }
    return HeadEndPlan(**options | changes)


def play(scenario, answer=taken, now=None, **changes):
    async def run():
        async with running(answer) as (fake, _, platform):
            headend = HeadEnd(plan=plan_of(**changes), platform=platform, clock=Clock(now or NOW))
            return await scenario(headend, fake)

    return asyncio.run(asyncio.wait_for(run(), timeout=2 * PATIENCE_SECONDS))


def to_the_end(answer=taken, now=None, **changes):
    """Run until everything is settled; returns (head-end, its posts)."""

    async def scenario(headend, fake):
        await headend.run()
        return headend, fake.posts

    return play(scenario, answer, now, **changes)


def by_meter(played):
    return sorted((post.message for post in played[1]), key=lambda message: message["meterNo"])


def failing(*answers):
    """Give `answers` first, then take everything."""
    left = list(answers)
    return lambda post: left.pop(0) if left else taken(post)


def test_backfill_tells_the_end_of_each_past_day():
    headend, posts = to_the_end(count=0)
    assert headend.snapshot() == HeadEndStatus(sent=4, accepted=4, backfilled=True, meters=4)
    for meter, message in zip(headend.plan.meters, by_meter((headend, posts)), strict=True):
        assert message["meterNo"] == meter.meter_no
        ends = [NOW.replace(day=day, hour=23, minute=59, second=59) for day in (19, 20, 21)]
        assert message["addGas"] == {day: str(meter.index_at(end)) for day, end in zip(PAST_DAYS, ends, strict=True)}
        assert message["readDate"] == "20261122"
        moment = NOW.replace(hour=int(message["readTime"][:2]), minute=int(message["readTime"][2:4]))
        assert message["readNum"] == str(meter.index_at(moment.replace(second=int(message["readTime"][4:]))))


def test_live_reports_follow_the_backfill_of_each_meter():
    headend, posts = to_the_end()
    assert headend.snapshot() == HeadEndStatus(sent=12, accepted=12, backfilled=True, meters=4)
    for meter in headend.plan.meters:
        messages = [post.message for post in posts if post.message["meterNo"] == meter.meter_no]
        assert [list(message["addGas"]) for message in messages] == [PAST_DAYS] + [[]] * (len(messages) - 1)
        indexes = [Decimal(message["readNum"]) for message in messages]
        assert indexes == sorted(indexes)


def test_live_reports_go_round_the_meters():
    _, posts = to_the_end(days=0, concurrency=1)
    assert [post.message["meterNo"][-1] for post in posts] == ["1", "2", "3", "4"] * 2


def test_a_live_report_is_the_report_of_its_moment():
    headend, posts = to_the_end(days=0, count=1)
    message = posts[0].message
    assert message == report_message(
        headend.plan.meters[0],
        serial_no=message["serialNo"],
        company="10001001",
        factor="0030",
        moment=NOW + timedelta(seconds=20),
        missed_days=[],
    )


def test_without_past_days_there_is_nothing_to_backfill():
    headend, posts = to_the_end(days=0)
    assert headend.snapshot() == HeadEndStatus(sent=8, accepted=8, backfilled=True, meters=4)
    assert {post.message["addGas"] for post in posts} == {""}


def test_a_new_day_tells_the_end_of_the_old_one():
    before_midnight = NOW.replace(hour=23, minute=59, second=15)
    headend, posts = to_the_end(days=0, count=8, concurrency=1, rate=100.0, now=before_midnight)
    told = [(post.message["readDate"], list(post.message["addGas"])) for post in posts]
    assert told == [("20261122", [])] * 3 + [("20261123", ["2026-11-22"])] * 4 + [("20261123", [])]
    meter = headend.plan.meters[0]
    assert posts[4].message["addGas"] == {"2026-11-22": str(meter.index_at(before_midnight.replace(second=59)))}


def test_a_restarted_headend_continues_where_it_was():
    early, late = to_the_end(days=0, count=4), to_the_end(count=0, now=NOW + timedelta(days=1))
    for before, after in zip(by_meter(early), by_meter(late), strict=True):
        indexes = [before["readNum"], after["addGas"]["2026-11-22"], after["readNum"]]
        assert indexes == sorted(set(indexes), key=Decimal)


@pytest.mark.parametrize(
    "trouble",
    [
        500,
        503,
        429,
        200,
        refusal("服务未启动", "9995"),
        refusal("用户不存在"),
        refusal("表具不存在"),
    ],
)
def test_trouble_is_met_with_the_same_message_until_it_is_taken(trouble):
    one = fleet(seed=1, factor="0030", meters=1)
    headend, posts = to_the_end(failing(*[trouble] * 3), meters=one, count=0)
    assert headend.snapshot() == HeadEndStatus(sent=1, accepted=1, retried=3, backfilled=True, meters=1)
    assert len(posts) == 4
    assert len({post.raw for post in posts}) == 1


def test_a_platform_that_is_away_costs_nothing():
    async def scenario(headend, fake):
        post, calls = headend.platform.post, []

        async def away_at_first(code, body):
            calls.append(body)
            if len(calls) > 4:
                headend.platform._url = here
            return await post(code, body)

        here, headend.platform._url = headend.platform._url, "http://127.0.0.1:1"
        headend.platform.post = away_at_first
        await headend.run()
        assert headend.snapshot() == HeadEndStatus(sent=12, accepted=12, retried=4, backfilled=True, meters=4)
        assert len({p.serial_no for p in fake.posts}) == len(fake.posts) == 12

    play(scenario, concurrency=1, rate=50.0)


def test_shows_why_reports_wait():
    async def scenario(headend, fake):
        task = asyncio.create_task(headend.run())
        while not headend.snapshot().last_error:
            await asyncio.sleep(0.002)
        status = headend.snapshot()
        assert status.last_error.endswith(": 9999 用户不存在")
        assert (status.accepted, status.refused, status.backfilled) == (0, 0, False)
        task.cancel()

    play(scenario, lambda post: refusal("用户不存在"), first_pause=5.0)


def test_one_meter_that_waits_holds_up_no_other():
    def answer(post):
        return refusal("表具不存在") if post.message["meterNo"].endswith("2") else taken(post)

    async def scenario(headend, fake):
        task = asyncio.create_task(headend.run())
        while headend.status.accepted < 11:
            await asyncio.sleep(0.002)
        accepted = Counter(post.message["meterNo"][-1] for post in fake.posts)
        assert accepted["1"] + accepted["3"] + accepted["4"] == 11
        assert not headend.snapshot().backfilled
        assert headend.status.refused == 0
        task.cancel()

    play(scenario, answer)


def test_any_other_answer_is_refused_and_its_days_ride_along_later():
    one = fleet(seed=1, factor="0030", meters=1)
    headend, posts = to_the_end(failing(refusal("readNum 不能为负数")), meters=one, count=2, rate=50.0)
    assert headend.snapshot() == HeadEndStatus(
        sent=3, accepted=2, refused=1, backfilled=True, meters=1, last_error="003000000001: 9999 readNum 不能为负数"
    )
    assert [list(post.message["addGas"]) for post in posts] == [PAST_DAYS, PAST_DAYS, []]
    assert len({post.serial_no for post in posts}) == 3


def sent_twice(**changes):
    headend, posts = to_the_end(days=0, count=40, duplicate_rate=0.3, **changes)
    assert headend.snapshot() == HeadEndStatus(sent=40, accepted=40, backfilled=True, meters=4)
    raws = Counter(post.raw for post in posts)
    assert set(raws.values()) <= {1, 2}
    return {(post.message["meterNo"], post.message["readTime"]) for post in posts if raws[post.raw] == 2}


def test_duplicates_follow_the_seed():
    usual = sent_twice()
    assert 4 <= len(usual) <= 20
    assert sent_twice(concurrency=1) == usual
    assert sent_twice(seed=2) != usual


def test_a_refused_duplicate_shows():
    seen = set()

    def answer(post):
        if post.raw in seen:
            return refusal(f"通讯流水 {post.serial_no} 重复")
        seen.add(post.raw)
        return taken(post)

    headend, _ = to_the_end(answer, days=0, count=1, duplicate_rate=1.0)
    assert (headend.status.sent, headend.status.accepted, headend.status.refused) == (1, 0, 1)


def turns_taken(**changes):
    _, posts = to_the_end(days=0, count=30, gap_rate=0.4, concurrency=1, **changes)
    return [number for _, number in sorted((post.message["readTime"], post.message["meterNo"][-1]) for post in posts)]


def test_gaps_follow_the_seed():
    usual = turns_taken()
    assert len(usual) == 30
    assert turns_taken() == usual
    assert turns_taken(seed=2) != usual
    assert usual != ["1", "2", "3", "4"] * 7 + ["1", "2"]


def test_keeps_to_its_rate():
    async def scenario(headend, fake):
        began = asyncio.get_running_loop().time()
        await headend.run()
        assert asyncio.get_running_loop().time() - began >= 9 / 100

    play(scenario, days=0, count=10, rate=100.0)


def test_takes_in_the_answers_under_way_when_it_is_told_to_leave():
    async def scenario(headend, fake):
        post, under_way = headend.platform.post, asyncio.Event()

        async def slow(code, body):
            under_way.set()
            await asyncio.sleep(0.05)
            return await post(code, body)

        headend.platform.post = slow
        task = asyncio.create_task(headend.run())
        await under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert headend.status.sent == headend.status.accepted == 2

    play(scenario, concurrency=2)


def test_a_broken_worker_ends_the_run():
    async def scenario(headend, fake):
        async def broken(code, body):
            raise ZeroDivisionError

        headend.platform.post = broken
        with pytest.raises(ZeroDivisionError):
            await headend.run()

    play(scenario)
