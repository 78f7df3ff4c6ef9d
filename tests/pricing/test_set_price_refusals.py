"""1007: every refusal, and that it writes nothing but the log of the message (R4, R6, R9)."""

import pytest

from tests.pricing.price_messages import EXISTS, adjust, refused, single, stored, today
from tests.world import COMPANY, FACTOR, PRICE, TIERS, build_world


def test_a_price_that_exists_is_2004_and_stays_as_it_is(priced_world):
    before = stored()
    refused(priced_world, priced_world.create_price(priceVersion="V9", **single()), EXISTS)
    assert stored() == before


@pytest.mark.parametrize(("version", "days"), [("V1", 9), ("V2", 9), ("V3", 5), (" V2 ", 9)])
def test_a_version_or_a_begin_date_that_exists_is_2004(priced_world, version, days):
    adjust(priced_world, priceBeginDate=str(today(5)))
    before = stored()
    refused(priced_world, adjust(priced_world, priceVersion=version, priceBeginDate=f"{today(days):%Y%m%d}"), EXISTS)
    assert stored() == before


def test_an_unknown_price_is_not_adjusted(priced_world):
    before = stored()
    refused(priced_world, adjust(priced_world, "没有"), {"echoCode": "9999", "echoMsg": "价格 没有 不存在"})
    assert stored() == before


def test_a_price_of_another_company_is_not_adjusted_nor_told_of(priced_world):
    other = build_world(company="20002", factor="0099")
    before = stored()
    body = {"priceProperty": "2", "priceVersion": "V2", "priceBeginDate": str(today(1)), "clearFlag": "1", **single()}
    answer = other.cis.send("1007", companyCode="20002", factorNo=FACTOR, priceCode=PRICE, **body)
    assert answer == {"echoCode": "9999", "echoMsg": f"价格 {PRICE} 不存在"}
    answer = other.cis.send("1007", companyCode=COMPANY, factorNo=FACTOR, priceCode=PRICE, **body)
    assert answer == {"echoCode": "9999", "echoMsg": f"公司编码 {COMPANY} 不存在"}
    assert stored() == before


@pytest.mark.parametrize(
    ("backdate_days", "begins_days_ago", "code"),
    [(0, 0, "0000"), (0, 1, "9999"), (3, 3, "0000"), (3, 4, "9999"), (0, -400, "0000")],
)
def test_how_far_back_a_version_may_begin(priced_world, settings, backdate_days, begins_days_ago, code):
    settings.PRICE_MAX_BACKDATE_DAYS = backdate_days
    before = stored()
    answer = adjust(priced_world, priceBeginDate=str(today(-begins_days_ago)))
    assert answer["echoCode"] == code
    if code == "9999":
        refused(priced_world, answer, {"echoCode": "9999", "echoMsg": "priceBeginDate 不能早于允许的最早日期"})
        assert stored() == before


@pytest.mark.parametrize("field", ["priceVersion", "priceBeginDate", "clearFlag", "cycleLength"])
@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_what_an_adjustment_needs_must_be_given(priced_world, field, nothing):
    before = stored()
    answer = adjust(priced_world, **{field: nothing})
    assert (answer["echoCode"], answer["echoMsg"].split()[0]) == ("9999", field)
    refused(priced_world, answer, answer)
    assert stored() == before


@pytest.mark.parametrize("field", ["factorNo", "priceCode", "priceProperty", "priceType", "priceDetail", "cycleLength"])
def test_what_a_creation_needs_must_be_given(world, field):
    body = {"companyCode": COMPANY, "factorNo": FACTOR, "priceCode": PRICE, "priceProperty": "1"}
    tiered = {"cycleLength": "12", "priceType": "2", "priceDetail": TIERS}
    answer = world.cis.send("1007", **{**body, **tiered, field: ""})
    assert (answer["echoCode"], answer["echoMsg"].split()[0]) == ("9999", field)
    refused(world, answer, answer)
    assert stored() == ([], [], [])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"priceProperty": "3"}, "priceProperty 的值 3 无效"),
        ({"priceType": "0"}, "priceType 的值 0 无效"),
        ({"clearFlag": "2"}, "clearFlag 的值 2 无效"),
        ({"cycleLength": "0"}, "cycleLength 必须是 1-1200 的整数"),
        ({"cycleLength": "1.5"}, "cycleLength 必须是 1-1200 的整数"),
        ({"cycleLength": "-1"}, "cycleLength 必须是 1-1200 的整数"),
        ({"cycleLength": "1201"}, "cycleLength 必须是 1-1200 的整数"),
        ({"priceVersion": "v" * 65}, "priceVersion 长度不能超过 64"),
        ({"priceDetail": "none"}, "priceDetail 必须是 JSON 对象"),
        ({"priceDetail": [1]}, "priceDetail 必须是 JSON 对象"),
        ({"priceDetail": {}}, "priceLength 不能为空"),
        ({"priceType": "1"}, "priceLength 与 priceType 不一致"),
        (single(priceType="2", cycleLength="1"), "priceLength 与 priceType 不一致"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_stored(world, fields, message):
    refused(world, world.create_price(**fields), {"echoCode": "9999", "echoMsg": message})
    assert stored() == ([], [], [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"priceLength": "2"}, "priceLength 与 ladder2End 不一致"),
        ({"priceLength": "2", "ladder2End": ""}, "priceLength 与 price3 不一致"),
        ({"priceLength": "4"}, "price4 不能为空"),
        ({"priceLength": "4", "price4": "5"}, "ladder3End 不能为空"),
        ({"priceLength": "0"}, "priceLength 必须是 1-50 的整数"),
        ({"priceLength": "51"}, "priceLength 必须是 1-50 的整数"),
        ({"priceLength": "three"}, "priceLength 必须是 1-50 的整数"),
        ({"price2": None}, "price2 不能为空"),
        ({"ladder1End": None}, "ladder1End 不能为空"),
        ({"ladder3End": "400"}, "priceLength 与 ladder3End 不一致"),
        ({"price0": "1"}, "priceLength 与 price0 不一致"),
        ({"ladder2End": "50"}, "ladder2End 必须大于前一阶的止方"),
        ({"ladder2End": "49.9999"}, "ladder2End 必须大于前一阶的止方"),
        ({"ladder1End": "0"}, "ladder1End 必须大于前一阶的止方"),
        ({"ladder1End": "-1"}, "ladder1End 不能为负数"),
        ({"price1": "-1"}, "price1 不能为负数"),
        ({"price1": "1.00001"}, "price1 最多保留 4 位小数"),
        ({"ladder1End": "50.00001"}, "ladder1End 最多保留 4 位小数"),
        ({"price1": "abc"}, "price1 不是有效的数字"),
        ({"price1": True}, "price1 必须是字符串或数字"),
        ({"price1": {"a": "1"}}, "price1 必须是字符串或数字"),
        ({"price1": "99999999999"}, "price1 数值过大"),
    ],
)
def test_tiers_that_do_not_fit_are_refused_and_nothing_is_stored(world, changes, message):
    refused(world, world.create_price(priceDetail={**TIERS, **changes}), {"echoCode": "9999", "echoMsg": message})
    assert stored() == ([], [], [])


def test_an_adjustment_with_wrong_tiers_leaves_the_price_as_it_is(priced_world):
    before = stored()
    answer = adjust(priced_world, priceDetail={**TIERS, "ladder2End": "40"})
    refused(priced_world, answer, {"echoCode": "9999", "echoMsg": "ladder2End 必须大于前一阶的止方"})
    assert stored() == before
