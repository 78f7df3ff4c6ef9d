"""A new operator finds a meter, sees why its valve is closed and opens it, by what the pages themselves say."""

import pytest
from playwright.sync_api import expect

from commands.models import Command
from meters.models import Meter
from staff.models import StaffAct
from tests.admin.browsing import page as address
from tests.admin.rows import make_command, make_meter, make_parties, make_readings
from tests.browser.conftest import path_of
from tests.staff.conftest import employ


@pytest.fixture
def meter(db):
    """One of two customers, closed by its CIS."""
    rows = make_parties()
    other, meter = make_meter(rows, 1), make_meter(rows, 2)
    Meter.objects.filter(pk=other.pk).update(user_name="李四", address="解放路2号")
    Meter.objects.filter(pk=meter.pk).update(user_name="王小明", address="阳光小区3栋201室")
    make_readings(meter)
    closed = make_command(rows, meter, state="succeeded")
    Command.objects.filter(pk=closed.pk).update(finished_at=closed.queued_at)
    meter.state.valve = "closed"
    meter.state.save(update_fields=["valve"])
    return meter


@pytest.mark.parametrize("typed", ["000000000002", "U000002", "阳光小区 201室", "王小明"])
def test_from_the_telephone_to_the_open_valve(enter, meter, transactional_db, typed):
    page = enter(employ("new", "operator", companies=[meter.company]))
    page.goto("/admin/")
    box = page.locator("#find-meter")
    assert box.get_attribute("autofocus") is not None
    box.fill(typed)
    box.press("Enter")
    page.wait_for_url(f"**{address(Meter, 'change', meter.pk)}")
    why = page.locator(".das-why")
    expect(why).to_be_in_viewport()
    expect(why).to_contain_text("cis-1")
    page.locator(".das-buttons a[href$='/ask/open/']").click()
    page.locator(".das-panel .das-buttons button[type=submit]").click()
    page.wait_for_url(f"**{address(Meter, 'change', meter.pk)}")
    assert path_of(page) == address(Meter, "change", meter.pk)
    opened = Command.objects.latest("pk")
    assert (opened.meter, opened.payload, opened.origin, opened.requested_by.username) == (
        meter,
        {"valveSet": "0"},
        "staff",
        "new",
    )
    expect(page.locator(".das-timeline li").first).to_contain_text("new")
    assert StaffAct.objects.get().act == "meter.open"
