"""When and how meters execute commands, what goes wrong, and what the platform is told of it."""

import asyncio

import aiohttp
import pytest

from simulator.headend_plan import HeadEndStatus
from tests.simulator.fake_platform import PATIENCE_SECONDS, receipt, refusal
from tests.simulator.served_headend import (
    METER,
    OTHER,
    cancellation,
    close,
    execution,
    open_again,
    order,
    results_of,
    serving,
    taken,
)


def test_later_reports_tell_the_valve_that_the_command_set():
    async def reported(served):
        """The valve states in the next reports of both meters."""
        seen, wanted = served.fake.of("2001"), len(served.fake.of("2001")) + 4
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(seen) < wanted:
                await asyncio.sleep(0.002)
                seen = served.fake.of("2001")
        return {post.message["meterNo"]: post.message["valveState"] for post in seen[-2:]}

    async def scenario(served):
        reports = asyncio.create_task(served.headend.run())
        assert await reported(served) == {METER: "2", OTHER: "2"}
        await served.post("1004", order("s1", valveSet=1))
        await served.until(results_of(1))
        assert await reported(served) == {METER: "3", OTHER: "2"}
        await served.post("1004", order("s2", valveSet=0))
        await served.until(results_of(2))
        assert await reported(served) == {METER: "2", OTHER: "2"}
        reports.cancel()

    serving(scenario, count=None, concurrency=1)


def test_commands_of_a_meter_are_executed_in_order():
    async def scenario(served):
        for number in range(6):
            await served.post("1004", (close, open_again)[number % 2](f"s{number}"))
        await served.until(results_of(6))
        done = (await served.executions())[METER]
        assert [(one["sendSerialNo"], one["what"]) for one in done] == [
            (f"s{number}", ("close", "open")[number % 2]) for number in range(6)
        ]

    serving(scenario, execute_delay=0.02)


@pytest.mark.parametrize("trouble", [503, refusal("服务未启动", "9995"), refusal("用户不存在"), refusal("表具不存在")])
def test_a_result_is_sent_with_one_serial_until_it_is_taken(trouble):
    left = [trouble] * 3

    async def scenario(served):
        await served.post("1004", close("s1"))
        await served.until(results_of(1))
        assert len(served.fake.of("2002")) == 4
        assert len({post.raw for post in served.fake.posts}) == 1
        assert served.headend.snapshot() == HeadEndStatus(backfilled=True, meters=2, commands=1, executed=1, results=1)

    serving(scenario, lambda post: left.pop() if left else receipt(post))


def test_why_a_result_waits_is_shown():
    async def scenario(served):
        await served.post("1004", close("s1"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not served.headend.snapshot().last_error:
                await asyncio.sleep(0.002)
        assert served.headend.snapshot() == HeadEndStatus(
            backfilled=True, meters=2, commands=1, executed=1, last_error=f"2002 {METER}: 9999 用户不存在"
        )

    serving(scenario, lambda post: refusal("用户不存在"), first_pause=5.0)


def test_a_refused_result_is_shown_and_not_sent_again():
    async def scenario(served):
        await served.post("1004", close("s1"))
        await served.until(lambda status: status.last_error)
        assert served.headend.snapshot().last_error == "2002: 9999 指令不存在"
        assert (len(served.fake.posts), served.headend.status.results) == (1, 0)

    serving(scenario, lambda post: refusal("指令不存在"))


def test_a_sleeping_meter_executes_at_its_next_report():
    async def scenario(served):
        await served.post("1004", close("s1"))
        await served.post("1004", open_again("s2"))
        await served.post("1004", close("s3", meter_no=OTHER))
        await served.post("1005", cancellation("c1", "s3", meter_no=OTHER))
        await asyncio.sleep(0.02)
        assert await served.executions() == {}
        await served.headend.run()
        assert served.results() == [("s1", "1"), ("s2", "1")]
        assert [one["sendSerialNo"] for one in (await served.executions())[METER]] == ["s1", "s2"]

    serving(scenario, sleep_rate=1.0)


def outcomes(count=60, **rates):
    """What became of `count` commands, the first of a pair to close and the second to open one of two meters."""

    async def scenario(served):
        answers = []
        for number in range(count):
            try:
                answers.append((await served.post("1004", close(f"s{number}")))["echoCode"])
            except aiohttp.ClientError:
                answers.append("lost")
        accepted = count - answers.count("9999")
        await served.until(lambda status: status.commands == accepted)
        await served.until(lambda status: status.results == accepted)
        return answers, served.results(), (await served.executions())[METER], served.headend.status

    return serving(scenario, **rates)


def test_refusals_follow_the_seed():
    answers, results, done, status = outcomes(refuse_rate=0.3)
    assert 5 < answers.count("9999") < 40
    assert set(answers) == {"0000", "9999"}
    assert {serial for serial, _ in results} == {f"s{n}" for n, code in enumerate(answers) if code == "0000"}
    assert status.commands == status.executed == status.results == len(done) == answers.count("0000")
    assert outcomes(refuse_rate=0.3)[0] == answers
    assert outcomes(refuse_rate=0.3, seed=2)[0] != answers


def test_failures_follow_the_seed_and_are_no_executions():
    answers, results, done, status = outcomes(fail_rate=0.3)
    assert answers == ["0000"] * 60
    states = dict(results)
    assert len(states) == len(results) == 60
    assert 5 < list(states.values()).count("2") < 40
    assert sorted(one["sendSerialNo"] for one in done) == sorted(s for s, state in states.items() if state == "1")
    assert (status.commands, status.executed, status.results) == (60, len(done), 60)
    assert dict(outcomes(fail_rate=0.3)[1]) == states
    assert dict(outcomes(fail_rate=0.3, seed=2)[1]) != states


def test_a_lost_answer_is_given_when_the_message_comes_again():
    async def scenario(served):
        lost = [f"s{n}" for n in range(20) if served.headend.plan.loses_answer_to(f"s{n}")]
        with pytest.raises(aiohttp.ClientError):
            await served.post("1004", close(lost[0]))
        await served.until(results_of(1))
        assert await served.post("1004", close(lost[0])) == taken(lost[0])
        assert await served.executions() == {METER: [execution(lost[0], "valve", "close")]}
        assert (served.headend.status.commands, served.headend.status.repeated) == (1, 1)

    serving(scenario, lose_rate=1.0)


def test_losses_follow_the_seed_and_everything_is_executed_once():
    answers, results, done, _ = outcomes(lose_rate=0.6)
    assert set(answers) == {"0000", "lost"}
    assert 5 < answers.count("lost") < 40
    assert [one["sendSerialNo"] for one in done] == [f"s{n}" for n in range(60)]
    assert sorted(results) == sorted((f"s{n}", "1") for n in range(60))
    assert outcomes(lose_rate=0.6)[0] == answers
    assert outcomes(lose_rate=0.6, seed=2)[0] != answers


def test_a_late_result_comes_ten_delays_later():
    async def scenario(served):
        plan = served.headend.plan
        late = next(f"s{n}" for n in range(20) if plan.result_delay(f"s{n}"))
        assert plan.result_delay(late) == pytest.approx(0.1)
        began = asyncio.get_running_loop().time()
        assert await served.post("1004", close(late)) == taken(late)
        await served.until(results_of(1))
        assert asyncio.get_running_loop().time() - began >= 0.1

    serving(scenario, lose_rate=1.0, execute_delay=0.01)


def test_a_result_can_be_told_twice_with_one_serial():
    async def scenario(served):
        await served.post("1004", close("s1"))
        await served.until(results_of(1))
        assert served.results() == [("s1", "1")] * 2
        assert len({post.raw for post in served.fake.posts}) == 1
        assert served.headend.status.results == 1

    serving(scenario, duplicate_rate=1.0)
