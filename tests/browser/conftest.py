"""A real browser (Debian's Chromium, driven by Playwright) on a real server of this process."""

import os
import re
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.program import FLAGS, chromium

PASSWORD = "Nur-zum-Testen-1"
PATIENCE_MS = 60_000


# Not longer: its event loop would be in the way of those tests that run one of their own.
@pytest.fixture(scope="module")
def browser():
    program = chromium()
    if program is None:
        # On a bare machine the rest of the suite is still worth running; where it counts a browser is installed.
        missing = "no Chromium on this machine: install one, or name it in CHROMIUM"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    # Playwright's loop runs in this thread, and Django would take the test's own queries for asynchronous ones.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def chief(transactional_db) -> User:
    return User.objects.create_superuser("chief", password=PASSWORD)


@pytest.fixture
def requested() -> list[str]:
    """Every address that the page asked for."""
    return []


@pytest.fixture
def page(browser, live_server, requested):
    """A fresh window; it fails the test on an error in a script, and on a request to another host."""
    context = browser.new_context(base_url=live_server.url, locale="zh-CN", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    yield page
    context.close()
    assert errors == []
    foreign = [url for url in requested if not url.startswith((live_server.url, "data:", "blob:"))]
    assert foreign == []


@pytest.fixture
def enter(page, live_server):
    """Begins a person's session without the way over the login page."""

    def begin(person: User) -> Page:
        client = Client()
        client.force_login(person)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        return page

    return begin


def arrive_at(page: Page, path: str) -> None:
    """Wait for an address that ends so; of a double click's two ways there, the browser breaks off one."""
    expect(page).to_have_url(re.compile(re.escape(path) + "$"))


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


def choose_rows(page: Page, action: str, *keys: int) -> None:
    """On a list: mark these rows and run the action."""
    for key in keys:
        page.locator(f"input[name=_selected_action][value='{key}']").check()
    page.locator("#changelist-actions select[name=action]").select_option(action)
    page.locator("#changelist-actions button[type=submit]").click()


def sign_in(page: Page, name: str = "chief") -> None:
    page.goto("/admin/login/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]:has-text('登录'), input[type=submit]")
    page.wait_for_url(lambda url: "/login/" not in url)
