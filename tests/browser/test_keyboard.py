"""What staff confirm can be reached and done by the keyboard alone."""

from playwright.sync_api import expect

from commands.models import Command
from meters.models import Meter
from tests.admin.browsing import page as address
from tests.admin.rows import make_meter, make_parties

MOST_TABS = 60
FOCUSED = "document.activeElement.matches({!r})"
YES = ".das-panel .das-buttons button[type=submit]"


def test_a_confirmation_is_reached_and_sent_by_tab_and_enter(enter, chief):
    meter = make_meter(make_parties(), 1)
    page = enter(chief)
    page.goto(f"{address(Meter, 'changelist')}{meter.pk}/ask/close/")
    note = tab_to(page, "input[name=note]")
    assert tab_to(page, YES) == 1, f"{note} tabs to the note, and then not straight to the button"
    assert tab_to(page, f".das-panel a[href='{address(Meter, 'change', meter.pk)}']") == 1
    page.keyboard.press("Shift+Tab")
    expect(page.locator(YES)).to_be_focused()
    assert not Command.objects.exists()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address(Meter, 'change', meter.pk)}")
    assert Command.objects.filter(meter=meter, origin="staff").count() == 1


def tab_to(page, selector: str) -> int:
    """How often Tab is pressed until the element has the focus."""
    for pressed in range(1, MOST_TABS + 1):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED.format(selector)):
            return pressed
    raise AssertionError(f"{MOST_TABS} tabs do not reach {selector}")
