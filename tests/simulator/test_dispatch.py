import asyncio
from collections import Counter

import pytest

from simulator.callbacks import CisStatus
from simulator.dispatch import Dispatch, DispatchPlan
from tests.simulator.fake_platform import PATIENCE_SECONDS, receipt, refusal
from tests.simulator.test_cis import playing, well

METER = "003000000001"


def answered(post):
    return receipt(post) if post.code in ("1004", "1005") else well(post)


def ordering(scenario, answer=answered, **options):
    """Play `scenario(dispatch, fake)` with three registered meters."""

    async def play(cis, fake):
        await cis.register()
        fake.posts.clear()
        await scenario(Dispatch(plan=DispatchPlan(cancel_within=0.01, **options), cis=cis), fake)

    playing(play, answer)


def said(fake, code="1004"):
    return [post.message for post in fake.of(code)]


def test_valves_close_and_then_open_meter_by_meter():
    async def scenario(dispatch, fake):
        for _ in range(7):
            await dispatch.order_valve()
        told = [(m["meterNo"][-1], m["paramContext"]["data"]["valveSet"]) for m in said(fake)]
        assert told == [("1", "1"), ("2", "1"), ("3", "1"), ("1", "0"), ("2", "0"), ("3", "0"), ("1", "1")]
        assert len({message["serialNo"] for message in said(fake)}) == 7
        assert dispatch.cis.snapshot() == CisStatus(registered=3, commands=7)

    ordering(scenario)


def test_a_valve_command_carries_every_field():
    async def scenario(dispatch, fake):
        await dispatch.order_valve()
        (message,) = said(fake)
        assert message == {
            "serialNo": message["serialNo"],
            "userNo": "6003000000001",
            "deviceId": "",
            "factorNo": "0030",
            "meterNo": METER,
            "paramNo": "03",
            "paramContext": {"total": "1", "data": {"valveSet": "1"}},
            "companyCode": "10001001",
            "sdateTime": "20261122101530",
        }

    ordering(scenario)


def test_recharges_have_a_stream_of_their_own_and_count_by_meter():
    async def scenario(dispatch, fake):
        for _ in range(6):
            await dispatch.recharge()
        data = [message["paramContext"]["data"] for message in said(fake)]
        assert {message["paramNo"] for message in said(fake)} == {"05"}
        assert [one["rechargeCount"] for one in data] == ["1"] * 3 + ["2"] * 3
        assert len({one["rechargeStream"] for one in data}) == 6
        assert {one["rechargeDate"] for one in data} == {"2026-11-22 10:15:30"}
        assert {one["rechargeAmount"] for one in data} <= {"50", "100", "200", "500"}
        assert all(set(one) == {"rechargeAmount", "rechargeCount", "rechargeDate", "rechargeStream"} for one in data)
        assert dispatch.cis.snapshot() == CisStatus(registered=3, recharges=6)

    ordering(scenario)


def test_an_order_waits_for_the_platform_with_one_serial():
    async def scenario(dispatch, fake):
        await dispatch.order_valve()
        assert len(fake.posts) == 3
        assert len({post.raw for post in fake.posts}) == 1
        assert dispatch.cis.snapshot() == CisStatus(registered=3, commands=1)

    troubles = [503, refusal("服务未启动", "9995")]
    ordering(scenario, lambda post: troubles.pop() if troubles and post.code == "1004" else answered(post))


def test_a_refused_order_is_an_error_and_is_not_cancelled():
    async def scenario(dispatch, fake):
        await dispatch.order_valve()
        assert dispatch.cis.snapshot() == CisStatus(registered=3, errors=1, last_error=f"1004 {METER}: 9999 表具不存在")
        assert [post.code for post in fake.posts] == ["1004"]

    ordering(scenario, lambda post: refusal("表具不存在") if post.code == "1004" else well(post), cancel_rate=1.0)


def test_a_cancellation_names_its_command():
    async def scenario(dispatch, fake):
        await dispatch.order_valve()
        await dispatch.recharge()
        assert [post.code for post in fake.posts] == ["1004", "1005"] * 2
        for order, cancellation in zip(said(fake), said(fake, "1005"), strict=True):
            assert cancellation == {
                "serialNo": cancellation["serialNo"],
                "userNo": order["userNo"],
                "deviceId": "",
                "factorNo": "0030",
                "meterNo": order["meterNo"],
                "sendSerialNo": order["serialNo"],
                "companyCode": "10001001",
            }
            assert cancellation["serialNo"] != order["serialNo"]
        assert dispatch.cis.snapshot() == CisStatus(registered=3, commands=1, recharges=1, cancellations=2)

    ordering(scenario, cancel_rate=1.0)


@pytest.mark.parametrize(
    ("code", "errors", "last_error"), [("9999", 0, ""), ("0103", 1, f"1005 {METER}: 0103 指令已执行")]
)
def test_a_cancellation_that_is_too_late_is_no_error(code, errors, last_error):
    async def scenario(dispatch, fake):
        await dispatch.order_valve()
        assert dispatch.cis.snapshot() == CisStatus(registered=3, commands=1, errors=errors, last_error=last_error)

    def answer(post):
        return refusal("指令已执行", code) if post.code == "1005" else answered(post)

    ordering(scenario, answer, cancel_rate=1.0)


def cancelled(**options):
    turns = []

    async def scenario(dispatch, fake):
        for _ in range(40):
            await dispatch.order_valve()
        serials = {message["sendSerialNo"] for message in said(fake, "1005")}
        turns.extend(message["serialNo"] in serials for message in said(fake))
        assert dispatch.cis.status.cancellations == len(serials) == sum(turns)

    ordering(scenario, cancel_rate=0.4, **options)
    return turns


def test_cancellations_follow_the_seed():
    usual = cancelled()
    assert 5 < sum(usual) < 30
    assert cancelled() == usual
    assert cancelled(seed=2) != usual


def test_keeps_to_its_rates():
    async def scenario(dispatch, fake):
        began, status = asyncio.get_running_loop().time(), dispatch.cis.status
        task = asyncio.create_task(dispatch.run())
        # On a busy machine both catch up by turns; only then are valves the more frequent again.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while status.recharges < 3 or status.commands <= 2 * status.recharges:
                await asyncio.sleep(0.002)
        task.cancel()
        seconds = asyncio.get_running_loop().time() - began
        with pytest.raises(asyncio.CancelledError):
            await task
        count = Counter(message["paramNo"] for message in said(fake))
        assert count["03"] <= 100 * seconds
        assert count["05"] <= 25 * seconds

    ordering(scenario, command_rate=6000, recharge_rate=1500)


def test_without_rates_nothing_is_ordered():
    async def scenario(dispatch, fake):
        await dispatch.run()
        assert fake.posts == []

    ordering(scenario)


def test_nothing_is_ordered_before_a_meter_is_registered():
    async def scenario(dispatch, fake):
        dispatch.cis.registered.clear()
        task = asyncio.create_task(dispatch.run())
        await asyncio.sleep(0.02)
        task.cancel()
        assert fake.posts == []

    ordering(scenario, command_rate=60000)


def test_a_slow_answer_slows_no_other_order():
    async def scenario(dispatch, fake):
        post, slow = dispatch.cis.platform.post, []

        async def slow_at_first(code, body):
            if not slow:
                slow.append(body)
                await asyncio.sleep(3600)
            return await post(code, body)

        dispatch.cis.platform.post = slow_at_first
        task = asyncio.create_task(dispatch.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while dispatch.cis.status.commands < 3:
                await asyncio.sleep(0.002)
        task.cancel()

    ordering(scenario, command_rate=60000)
