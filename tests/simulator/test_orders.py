"""What a head-end answers to the orders of the platform, and that each is executed once."""

from datetime import timedelta

import pytest

from simulator.headend_plan import HeadEndStatus
from tests.simulator.fake_platform import NOW, refusal
from tests.simulator.served_headend import (
    AT,
    METER,
    OTHER,
    RECHARGE,
    cancellation,
    close,
    execution,
    open_again,
    order,
    recharge,
    results_of,
    serving,
    taken,
)


def test_a_command_is_accepted_executed_and_its_result_told():
    async def scenario(served):
        assert await served.post("1004", close("s1")) == taken("s1")
        await served.until(results_of(1))
        result = served.fake.of("2002")[0].message
        assert result == {
            "serialNo": result["serialNo"],
            "userNo": f"6{METER}",
            "deviceId": "d1",
            "factorNo": "0030",
            "meterNo": METER,
            "sendSerialNo": "s1",
            "paramNo": "03",
            "excuteState": "1",
            "companyCode": "10001001",
            "sdateTime": "20261122101530",
        }
        assert len(result["serialNo"]) == 32
        assert await served.executions() == {METER: [execution("s1", "valve", "close")]}
        assert served.headend.snapshot() == HeadEndStatus(backfilled=True, meters=2, commands=1, executed=1, results=1)

    serving(scenario)


def test_a_recharge_is_executed_with_its_data():
    async def scenario(served):
        misspelt = recharge("s2", rechargeDate="", recharghDate=AT, rechargeStream="2")
        assert await served.post("1004", recharge("s1")) == taken("s1")
        assert await served.post("1004", misspelt) == taken("s2")
        await served.until(results_of(2))
        assert await served.executions() == {
            METER: [
                execution("s1", "recharge", RECHARGE),
                execution("s2", "recharge", RECHARGE | {"rechargeStream": "2"}),
            ]
        }
        assert [post.message["paramNo"] for post in served.fake.of("2002")] == ["05", "05"]

    serving(scenario)


def test_the_same_message_again_gets_the_stored_answer_and_is_not_executed_twice():
    async def scenario(served):
        first = await served.post("1004", close("s1"))
        served.desk.clock = lambda: NOW + timedelta(seconds=90)
        assert await served.post("1004", close("s1")) == first
        await served.until(results_of(1))
        assert await served.post("1004", close("s1")) == first
        await served.until(lambda status: status.repeated == 2)
        assert await served.executions() == {METER: [execution("s1", "valve", "close")]}
        assert served.headend.snapshot() == HeadEndStatus(
            backfilled=True, meters=2, commands=1, executed=1, repeated=2, results=1
        )
        assert len(served.fake.posts) == 1

    serving(scenario)


@pytest.mark.parametrize(("code", "message"), [("1004", open_again("s1")), ("1008", close("s1"))])
def test_a_spent_serial_with_another_message_is_refused(code, message):
    async def scenario(served):
        await served.post("1004", close("s1"))
        assert await served.post(code, message) == refusal("通讯流水 s1 重复")
        assert (served.headend.status.commands, served.headend.status.repeated) == (1, 0)

    serving(scenario)


@pytest.mark.parametrize(
    ("message", "envelope"),
    [
        (close("s1", meter_no="003000000003"), refusal("表具不存在")),
        (close("s1") | {"factorNo": "0031"}, refusal("厂商编码(factorNo)错误", "0404")),
        (order("s1", valveSet="2"), refusal("valveSet 只能是 0 或 1")),
        (order("s1", param_no="04", valveSet="1"), refusal("paramNo 只能是 03 或 05")),
        (close("s1") | {"paramContext": "x"}, refusal("paramContext 不是有效的指令参数")),
        (recharge("s1", rechargeAmount="0"), refusal("rechargeAmount 必须大于 0")),
        (recharge("s1", rechargeAmount="x"), refusal("rechargeAmount 不是有效的数字")),
        (recharge("s1", rechargeAmount="NaN"), refusal("rechargeAmount 必须大于 0")),
        (recharge("s1", rechargeStream=""), refusal("rechargeStream 不能为空")),
        (b"[]", refusal("报文必须是 JSON 对象")),
    ],
)
def test_a_wrong_command_is_refused_and_leaves_its_serial_free(message, envelope):
    async def scenario(served):
        assert await served.post("1004", message) == envelope
        assert served.headend.snapshot() == HeadEndStatus(backfilled=True, meters=2)
        assert await served.post("1004", close("s1")) == taken("s1")

    serving(scenario)


@pytest.mark.parametrize(
    "changes", [{"app_secret": "wrong"}, {"app_code": "another"}, {"now": NOW - timedelta(seconds=601)}]
)
def test_a_bad_signature_is_refused(changes):
    async def scenario(served):
        denied = "Token 校验未通过：请检查 AccessToken 和 Authorization"
        assert await served.post("1004", close("s1"), **changes) == refusal(denied, "0103")
        assert served.headend.snapshot() == HeadEndStatus(backfilled=True, meters=2, last_error=f"1004: {denied}")

    serving(scenario)


@pytest.mark.parametrize("code", ["1001", "1002", "1008", "1009"])
def test_what_is_about_a_meter_gets_a_receipt_if_there_is_one(code):
    async def scenario(served):
        message = close("s1") | {"newMeterNo": "003000000009"}
        assert await served.post(code, message) == taken("s1", device_id="" if code == "1009" else "d1")
        unknown = close("s2", meter_no="003000000003") | {"newMeterNo": "003000000009"}
        assert await served.post(code, unknown) == refusal("表具不存在")
        assert (await served.executions(), served.headend.status.commands) == ({}, 0)

    serving(scenario)


def test_a_price_is_about_no_meter():
    async def scenario(served):
        message = {"serialNo": "s1", "factorNo": "0030", "priceCode": "p"}
        assert await served.post("1007", message) == taken("s1", device_id="")

    serving(scenario)


def test_a_replacement_makes_the_new_meter_known():
    async def scenario(served):
        new = "003000000009"
        assert await served.post("1004", close("s1", meter_no=new)) == refusal("表具不存在")
        assert await served.post("1009", close("s2")) == refusal("newMeterNo 不能为空")
        await served.post("1009", close("s2") | {"newMeterNo": new})
        assert await served.post("1004", close("s1", meter_no=new)) == taken("s1")
        await served.until(results_of(1))
        assert await served.executions() == {new: [execution("s1", "valve", "close")]}

    serving(scenario)


def test_a_waiting_command_can_be_cancelled_and_tells_no_result():
    async def scenario(served):
        await served.post("1004", close("s1"))
        assert await served.post("1005", cancellation("c1", "s1")) == taken("c1", device_id="")
        await served.post("1004", open_again("s2"))
        await served.until(results_of(1))
        assert served.results() == [("s2", "1")]
        assert await served.executions() == {METER: [execution("s2", "valve", "open")]}
        assert await served.post("1005", cancellation("c1", "s1")) == taken("c1", device_id="")
        assert served.headend.status.repeated == 1

    serving(scenario, execute_delay=0.25)


def test_what_cannot_be_cancelled():
    async def scenario(served):
        await served.post("1004", close("s1"))
        await served.until(results_of(1))
        assert await served.post("1005", cancellation("c1", "s1")) == refusal("指令已执行")
        assert await served.post("1005", cancellation("c2", "s9")) == refusal("指令不存在")
        assert await served.post("1005", cancellation("c3", "s1", meter_no=OTHER)) == refusal("指令不存在")
        assert await served.post("1005", cancellation("c4", "s1", meter_no="x")) == refusal("表具不存在")

    serving(scenario)
