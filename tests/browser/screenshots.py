"""Pictures of the main pages for docs/images, taken from a running `make run`: `make screenshots`.

Reads the demo's password from DEMO_PASSWORD, as `make run` prints it. Chinese first, then English.
"""

import argparse
import os
import sys
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.browser.program import FLAGS, chromium

LANGUAGES = {"zh": "zh-hans", "en": "en"}
SIZE = ViewportSize(width=1440, height=960)
FIRST_ROW = "#result_list tbody tr:first-child th a"
# Name of the picture, the list or page to open, and what to click on it for the page of one row.
PAGES = [
    ("home", "/admin/", ""),
    ("meters", "/admin/meters/meter/", ""),
    ("meter", "/admin/meters/meter/", FIRST_ROW),
    ("readings", "/admin/readings/reading/", ""),
    ("price", "/admin/pricing/price/", FIRST_ROW),
    ("command", "/admin/commands/command/", FIRST_ROW),
    ("messages", "/admin/protocol/outboundmessage/", ""),
]


def sign_in(page: Page, *, user: str, password: str) -> None:
    page.goto("/admin/login/?next=/admin/")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def take(page: Page, *, language: str, folder: Path) -> None:
    for name, address, row in PAGES:
        page.goto(address)
        if row:
            page.locator(row).first.click()
        page.wait_for_load_state("networkidle")
        target = folder / f"{name}-{language}.png"
        page.screenshot(path=target)
        print(target.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="demo")
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    password, program = os.environ.get("DEMO_PASSWORD", ""), chromium()
    if not password or program is None:
        print("Needed: DEMO_PASSWORD (make run prints it) and a Chromium (or its path in CHROMIUM).", file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for language, code in LANGUAGES.items():
            context = browser.new_context(base_url=options.url, viewport=SIZE)
            context.add_cookies([{"name": "django_language", "value": code, "url": options.url}])
            page = context.new_page()
            sign_in(page, user=options.user, password=password)
            take(page, language=language, folder=options.folder)
            context.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
