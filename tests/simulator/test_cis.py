import asyncio
from datetime import date
from typing import Any

import pytest

from simulator.answers import DETAIL_KEYS, READING_KEYS, USAGE_ROW_KEYS
from simulator.callbacks import CisStatus
from simulator.cis import Cis, CisPlan
from simulator.fleet import fleet
from simulator.registration import price_message, registration_message
from tests.simulator.fake_platform import PATIENCE_SECONDS, clock, receipt, refusal, running


def blank(keys):
    return dict.fromkeys(keys, "")


def content(post):
    """The echoMsg of a platform on which each meter has a reading and two days of usage."""
    match post.code:
        case "1013":
            rows = [blank(READING_KEYS) for _ in range(3)]
            return {"serialNo": post.serial_no, "readingData": {"total": "3", "data": rows}}
        case "1014":
            return blank(DETAIL_KEYS)
        case "1015":
            return {"serialNo": post.serial_no, "gasData": [blank(USAGE_ROW_KEYS) for _ in range(2)]}


def well(post):
    if post.code in ("1001", "1007"):
        return receipt(post)
    return {"echoCode": "0000", "echoMsg": content(post)}


def plan_of(**changes):
    options: dict[str, Any] = {
        "company": "10001001",
        "factor": "0030",
        "meters": fleet(seed=1, factor="0030", meters=3),
        "days": 7,
        "interval": 0.01,
        "price_code": "民用阶梯",
        "billing_model": "3",
        "pay_model": "2",
        "first_pause": 0.005,
    }
    return CisPlan(**options | changes)


def playing(scenario, answer=well, **changes):
    async def play():
        async with running(answer) as (fake, _, platform):
            cis = Cis(plan=plan_of(**changes), platform=platform, clock=clock, status=CisStatus())
            await scenario(cis, fake)

    asyncio.run(asyncio.wait_for(play(), timeout=2 * PATIENCE_SECONDS))


def once(answer=well, **changes):
    """Run once against `answer`; returns (cis, fake platform)."""
    seen: list[Any] = []

    async def scenario(cis, fake):
        await cis.run_once(patience=PATIENCE_SECONDS)
        seen.extend((cis, fake))

    playing(scenario, answer, **changes)
    return seen


def scripted(script):
    """Answer the posts of a code with the next of its answers, and well when there is none left."""
    left = {code: list(answers) for code, answers in script.items()}
    return lambda post: left[post.code].pop(0) if left.get(post.code) else well(post)


def test_once_registers_and_asks_everything():
    cis, fake = once()
    assert not cis.failed
    assert cis.snapshot() == CisStatus(registered=3, readings_rows=3, usage_rows=6, queries=5)
    assert [post.code for post in fake.posts] == ["1007", *["1001"] * 3, "1013", "1014", *["1015"] * 3]


def test_price_and_registrations_say_what_the_plan_says():
    cis, fake = once(billing_model="2", pay_model="1")
    price = fake.of("1007")[0].message
    assert price == price_message(serial_no=price["serialNo"], company="10001001", factor="0030", price_code="民用阶梯")
    messages = sorted((post.message for post in fake.of("1001")), key=lambda message: message["meterNo"])
    for meter, message in zip(cis.plan.meters, messages, strict=True):
        assert message == registration_message(
            meter,
            serial_no=message["serialNo"],
            company="10001001",
            factor="0030",
            price_code="民用阶梯",
            billing_model="2",
            pay_model="1",
            days=7,
            now=clock(),
        )
    assert len({post.serial_no for post in fake.posts}) == len(fake.posts)


def test_the_queries_carry_every_field():
    _, fake = once()
    about = {"companyCode": "10001001", "factorNo": "0030", "userName": "", "deviceId": ""}
    readings, detail, usage = (fake.of(code)[0].message for code in ("1013", "1014", "1015"))
    assert readings == {
        "serialNo": readings["serialNo"],
        "companyCode": "10001001",
        "factorNo": "0030",
        "meterNo": "",
        "readingDate": "",
    }
    assert detail.keys() == {"serialNo", "userNo", "meterNo", *about}
    assert detail.items() >= about.items()
    assert usage.keys() == {*detail.keys(), "startTime", "endTime"}
    assert (usage["startTime"], usage["endTime"]) == ("2026-11-15", "2026-11-21")
    asked = {(post.message["meterNo"], post.message["userNo"]) for post in fake.of("1015")}
    assert asked == {(f"00300000000{n}", f"600300000000{n}") for n in (1, 2, 3)}


def test_a_price_and_meters_that_exist_already_are_fine():
    exists = [refusal(f"用户号 600300000000{n} 已存在，表具注册失败！") for n in (1, 2, 3)]
    cis, _ = once(scripted({"1007": [refusal("价格信息已存在", "2004")], "1001": exists}))
    assert not cis.failed
    assert cis.status.registered == 3


def test_without_a_price_nothing_is_registered():
    cis, fake = once(scripted({"1007": [refusal("priceCode 不能为空")]}))
    assert cis.failed
    assert cis.snapshot() == CisStatus(errors=1, last_error="1007 民用阶梯: 9999 priceCode 不能为空")
    assert len(fake.posts) == 1


def test_a_refused_registration_is_an_error_and_is_tried_again():
    meter_no, refusals = "003000000002", [refusal("厂商编码(factorNo)错误", "0404")]

    def answer(post):
        meant = post.code == "1001" and post.message["meterNo"] == meter_no
        return refusals.pop() if meant and refusals else well(post)

    async def scenario(cis, fake):
        await cis.register()
        assert cis.snapshot() == CisStatus(
            registered=2, errors=1, last_error=f"1001 {meter_no}: 0404 厂商编码(factorNo)错误"
        )
        await cis.register()
        assert cis.status.registered == 3
        assert cis.failed
        assert len(fake.of("1007")) == 1
        assert fake.of("1001")[3].message["meterNo"] == meter_no

    playing(scenario, answer)


def test_waits_for_a_platform_that_is_not_up_yet_with_one_serial():
    cis, fake = once(scripted({"1007": [503, refusal("服务未启动", "9995"), 200], "1001": [502]}))
    assert not cis.failed
    assert cis.snapshot().last_error == ""
    assert [post.code for post in fake.posts][:4] == ["1007"] * 4
    assert len({post.raw for post in fake.of("1007")}) == 1
    assert len(fake.of("1001")) == 4
    assert len({post.raw for post in fake.of("1001")}) == 3


def test_shows_what_it_waits_for():
    async def scenario(cis, fake):
        task = asyncio.create_task(cis.run())
        while not cis.waiting:
            await asyncio.sleep(0.002)
        assert cis.snapshot() == CisStatus(last_error="waiting for the platform: HTTP 503")
        task.cancel()

    playing(scenario, lambda post: 503)


def test_once_gives_up_after_its_patience():
    async def scenario(cis, fake):
        await cis.run_once(patience=0.02)
        assert cis.failed
        assert cis.snapshot() == CisStatus(errors=1, last_error="1007 民用阶梯: HTTP 503")

    playing(scenario, lambda post: 503)


def malformed(code, change):
    def answer(post):
        envelope = well(post)
        if post.code == code:
            change(envelope["echoMsg"])
        return envelope

    return answer


@pytest.mark.parametrize(
    ("code", "change", "problem"),
    [
        ("1013", lambda answer: answer.update(rdateTime=""), "1013: keys differ: rdateTime"),
        ("1013", lambda answer: answer["readingData"].update(total="4"), "1013: total is '4' with 3 rows"),
        ("1013", lambda answer: answer["readingData"]["data"][2].update(sumGas=0), "1013: sumGas is not a string"),
        ("1014", lambda answer: answer.pop("beseNum"), "1014 003000000001: keys differ: beseNum"),
        ("1014", lambda answer: answer.update(deviceId=None), "1014 003000000001: deviceId is not a string"),
        ("1015", lambda answer: answer.update(gasData={}), "1015 003000000001: rows are not a list"),
    ],
)
def test_an_answer_that_deployed_clients_cannot_read_is_an_error(code, change, problem):
    cis, _ = once(malformed(code, change), meters=fleet(seed=1, factor="0030", meters=1))
    assert cis.failed
    assert (cis.status.errors, cis.status.last_error, cis.status.queries) == (1, problem, 3)


def test_a_refused_query_is_an_error():
    cis, _ = once(scripted({"1013": [refusal("系统异常")]}))
    assert (cis.status.errors, cis.status.queries) == (1, 4)
    assert cis.status.last_error == "1013: 9999 系统异常"


def test_rounds_ask_the_next_meters_each_time_and_count_no_row_twice():
    async def scenario(cis, fake):
        await cis.register()
        for _ in range(3):
            await cis.query(usages=2)
        details = [post.message["meterNo"][-1] for post in fake.of("1014")]
        usages = [post.message["meterNo"][-1] for post in fake.of("1015")]
        assert details == ["1", "2", "3"]
        assert [sorted(usages[start : start + 2]) for start in (0, 2, 4)] == [["1", "2"], ["1", "3"], ["2", "3"]]
        assert cis.status.usage_rows == 6
        assert cis.status.queries == 12

    playing(scenario)


def test_run_goes_round_and_round():
    async def scenario(cis, fake):
        task = asyncio.create_task(cis.run())
        while len(fake.of("1013")) < 3:
            await asyncio.sleep(0.002)
        task.cancel()
        assert len(fake.of("1001")) == 3
        assert cis.status.errors == 0

    playing(scenario)


def test_today_is_asked_for_when_there_are_no_days_before():
    _, fake = once(days=0)
    message = fake.of("1015")[0].message
    assert (message["startTime"], message["endTime"]) == (str(date(2026, 11, 22)),) * 2
