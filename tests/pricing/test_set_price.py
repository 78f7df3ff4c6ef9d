"""1007 (R9, specification 2.4.5 and 4.5): creating and adjusting prices."""

from datetime import date
from decimal import Decimal

import pytest

from pricing.models import Price, PriceTier, PriceVersion
from tests.pricing.price_messages import EXISTS, adjust, single, tiers, today, versions
from tests.world import COMPANY, FACTOR, PRICE, TIERS, build_world


def test_a_tiered_price_is_created(world):
    answer = world.create_price(priceVersion="2026 春", cycleLength="24")
    assert answer["echoCode"] == "0000"
    assert set(answer["echoMsg"]) == {"serialNo", "deviceId", "rdateTime"}
    assert answer["echoMsg"]["deviceId"] == ""
    assert versions() == [("2026 春", "2", None, 24, False)]
    assert tiers("2026 春") == [
        ("1", "0.0000", "50.0000", "1.4000"),
        ("2", "50.0000", "300.0000", "2.4000"),
        ("3", "300.0000", None, "3.4000"),
    ]


def test_a_single_price_is_created(world):
    assert world.create_price(**single())["echoCode"] == "0000"
    assert versions() == [("V1", "1", None, 1, False)]
    assert tiers() == [("1", "0.0000", None, "2.5000")]


def test_ten_tiers_are_created_from_numbers_as_from_strings(world):
    detail = {f"price{n}": n for n in range(1, 11)} | {f"ladder{n}End": n * 10 + 0.5 for n in range(1, 10)}
    assert world.create_price(priceDetail={"priceLength": 10, **detail}, cycleLength=1)["echoCode"] == "0000"
    assert [row[1:] for row in tiers()][8:] == [("80.5000", "90.5000", "9.0000"), ("90.5000", None, "10.0000")]


@pytest.mark.parametrize("begin", ["2019-11-23", "2001-01-01", "2099-01-01"])
def test_a_begin_date_on_creation_is_ignored(world, begin):
    assert world.create_price(priceBeginDate=begin, clearFlag="0")["echoCode"] == "0000"
    assert versions() == [("V1", "2", None, 12, False)]


def test_the_same_code_is_another_price_for_another_company_or_manufacturer(priced_world):
    other = build_world(company="20002", factor="0099")
    priced_world.cis_peer.companies.set([priced_world.company])
    body = {"priceCode": PRICE, "priceProperty": "1", **single()}
    assert priced_world.cis.send("1007", companyCode=COMPANY, factorNo="0099", **body)["echoCode"] == "0000"
    assert other.cis.send("1007", companyCode="20002", factorNo=FACTOR, **body)["echoCode"] == "0000"
    assert Price.objects.filter(code=PRICE).count() == 3


def test_a_price_is_adjusted_from_a_day_on(priced_world):
    assert adjust(priced_world)["echoCode"] == "0000"
    assert versions() == [("V1", "2", None, 12, False), ("V2", "2", today(1), 6, False)]
    assert tiers("V2") == [("1", "0.0000", "70.5000", "2.0000"), ("2", "70.5000", None, "3.0000")]
    assert len(tiers("V1")) == 3


def test_clear_flag_0_restarts_the_cycle(priced_world):
    assert adjust(priced_world, clearFlag="0")["echoCode"] == "0000"
    assert versions()[1][4] is True


def test_an_adjustment_may_turn_tiers_into_a_single_price(priced_world):
    assert adjust(priced_world, **single())["echoCode"] == "0000"
    assert versions()[1][:2] == ("V2", "1")


def test_a_version_may_begin_between_two_others(priced_world):
    assert adjust(priced_world, priceBeginDate=str(today(9)))["echoCode"] == "0000"
    assert adjust(priced_world, priceVersion="V3", priceBeginDate=str(today(5)))["echoCode"] == "0000"
    assert [version for version, *_ in versions()] == ["V1", "V3", "V2"]


def test_a_single_price_needs_no_cycle_length(priced_world):
    assert adjust(priced_world, **single())["echoCode"] == "0000"


@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_tiers_that_are_not_given_are_no_surplus(world, nothing):
    """R6: null, "" and blanks mean "not given"."""
    detail = {**TIERS, "price4": nothing, "ladder3End": nothing, "remark": "居民"}
    assert world.create_price(priceDetail=detail)["echoCode"] == "0000"
    assert len(tiers()) == 3


def test_a_tier_may_be_free_of_charge(world):
    assert world.create_price(priceDetail={**TIERS, "price1": "0"})["echoCode"] == "0000"
    assert PriceTier.objects.get(position=1).unit_price == Decimal(0)


CREATE_AS_PRINTED = {
    "serialNo": "a25bae8d3cae473dbd3233cdcdbb1e111111",
    "factorNo": "0025",
    "companyCode": "10001058",
    "priceCode": "20191218",
    "priceProperty": "1",
    "priceBeginDate": "2019-11-23",
    "cycleLength": "12",
    "priceType": "2",
    "priceDetail": TIERS,
}
ADJUST_AS_PRINTED = {
    "serialNo": "155634648758500201907031344423580",
    "factorNo": "0007",
    "companyCode": "10001059",
    "priceCode": "201907031439",
    "priceVersion": "V1.0",
    "priceProperty": "2",
    "priceBeginDate": "2019-07-07",
    "cycleLength": "12",
    "priceType": "2",
    "priceDetail": TIERS,
    "clearFlag": "0",
}


def test_the_creation_of_the_specification_as_printed(world):
    answer = world.cis.send("1007", **CREATE_AS_PRINTED)
    assert answer["echoCode"] == "0000"
    assert answer["echoMsg"]["serialNo"] == "a25bae8d3cae473dbd3233cdcdbb1e111111"
    assert versions("20191218") == [("V1", "2", None, 12, False)]
    assert world.cis.send("1007", **CREATE_AS_PRINTED) == answer
    assert world.cis.send("1007", **{**CREATE_AS_PRINTED, "serialNo": "another"}) == EXISTS
    assert PriceVersion.objects.count() == 1


def test_the_adjustment_of_the_specification_as_printed(settings, db):
    settings.PRICE_MAX_BACKDATE_DAYS = 36_500
    world = build_world(company="10001059", factor="0007")
    created = {**CREATE_AS_PRINTED, "companyCode": "10001059", "factorNo": "0007", "priceCode": "201907031439"}
    assert world.cis.send("1007", **created)["echoCode"] == "0000"
    answer = world.cis.send("1007", **ADJUST_AS_PRINTED)
    assert (answer["echoCode"], answer["echoMsg"]["serialNo"]) == ("0000", "155634648758500201907031344423580")
    assert versions("201907031439")[1] == ("V1.0", "2", date(2019, 7, 7), 12, True)
    assert world.cis.send("1007", **{**ADJUST_AS_PRINTED, "serialNo": "another"}) == EXISTS
    assert PriceVersion.objects.count() == 2
