"""The review queue and the price calculator, as a person uses them."""

import pytest
from playwright.sync_api import expect

from pricing.models import Price
from readings.models import Reading, ReadingReview
from tests.browser.conftest import sign_in
from tests.readings.books import make_meter, make_price, read
from tests.world import build_world


@pytest.fixture
def world(chief):
    return build_world()


def test_a_flagged_reading_is_found_drawn_and_accepted(page, world, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 100
    make_price(world)
    meter = make_meter(world)
    for day, index in ((2, 10), (3, 400), (4, 15)):
        read(meter, f"2025-03-0{day} 12:00:00", index)
    sign_in(page)
    page.goto("/admin/readings/reading/?quality=undecided")
    page.locator("#result_list th a").first.click()
    expect(page.locator("#neighbours tbody tr")).to_have_count(3)
    expect(page.locator("canvas.chart")).to_be_visible()
    page.fill("#review-form textarea[name=note]", "现场核实")
    page.click("#review-form button[value=accepted]")
    expect(page.locator("#reviews li")).to_have_count(1)
    expect(page.locator("#reviews")).to_contain_text("现场核实")
    assert Reading.objects.get(index=400).quality == "valid"
    assert ReadingReview.objects.get().by.username == "chief"


def test_the_calculator_splits_a_volume_by_tier(page, world):
    make_price(world)
    sign_in(page)
    page.goto(f"/admin/pricing/price/{Price.objects.get().pk}/change/")
    page.fill("#id_calc-volume", "260.5")
    page.fill("#id_calc-day", "2025-06-01")
    page.fill("#id_calc-used", "45")
    page.click("#calculator button[type=submit]")
    expect(page.locator("#quote-amount")).to_have_text("625.7")
    expect(page.locator("#quote tbody tr")).to_have_count(3)
