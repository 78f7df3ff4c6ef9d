"""Signing in, and the home page: figures that lead to their lists, and charts that are drawn."""

from datetime import timedelta

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils import timezone
from playwright.sync_api import expect

from office.figures import refresh
from office.models import DayFigures, HourFigures
from tests.admin.rows import make_everything
from tests.browser.conftest import PASSWORD, path_of


def test_a_wrong_password_says_so_and_the_right_one_leads_home(page, chief):
    page.goto("/admin/")
    assert path_of(page) == "/admin/login/"
    page.fill("input[name=username]", "chief")
    page.fill("input[name=password]", "wrong")
    page.press("input[name=password]", "Enter")
    expect(page.locator("body")).to_contain_text("注意他们都是区分大小写的")
    assert path_of(page) == "/admin/login/"
    assert not signed_in(page)
    page.fill("input[name=username]", "chief")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    # Not to_be_focused(): that also asks for a window in front, which a browser without a screen may not have.
    page.wait_for_function("document.activeElement.id === 'find-meter'")
    assert path_of(page) == "/admin/"
    assert signed_in(page) == "chief"


def signed_in(page) -> str:
    """Whom the server takes this window for."""
    request = HttpRequest()
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    request.session = SessionStore(cookies.get("sessionid"))
    return get_user(request).username


def test_figures_lead_to_their_lists_and_charts_are_drawn(enter, chief):
    rows = make_everything(2)
    now = timezone.now()
    refresh(now=now)
    DayFigures.objects.create(company=rows.company, day=timezone.localdate(now) - timedelta(days=3), volume=7, amount=9)
    HourFigures.objects.update_or_create(
        company=rows.company,
        hour=now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3),
        defaults={"readings": 5, "commands_done": 3, "commands_not_done": 1, "callbacks": 4, "callback_seconds": 8},
    )
    page = enter(chief)
    page.goto("/admin/")
    expect(page.locator("canvas.chart")).to_have_count(4)
    page.wait_for_function("[...document.querySelectorAll('canvas.chart')].every(one => Chart.getChart(one))")
    drawn = page.evaluate(DRAWN)
    assert drawn == [True] * 4
    failed = page.locator(".das-card[href*='state__exact=failed'][href*='/commands/']")
    expect(failed.locator("b")).to_have_text("2")
    meters = page.locator(".das-card[href$='/meters/meter/']")
    expect(meters.locator("b")).to_have_text("2")
    failed.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    assert page.url.endswith("/admin/commands/command/?state__exact=failed")


# Whether any point of each chart's canvas has a colour.
DRAWN = """[...document.querySelectorAll('canvas.chart')].map(one =>
    one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(value => value > 0))"""
