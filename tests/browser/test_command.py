"""A command tells its story; it is asked again and cancelled after a confirmation."""

from playwright.sync_api import expect

from commands.models import Command
from staff.models import StaffAct
from tests.admin.browsing import page as address
from tests.admin.rows import make_command, make_meter, make_outbound, make_parties
from tests.browser.conftest import arrive_at, path_of

YES = ".das-panel .das-buttons button"


def test_a_failed_command_is_asked_again_and_the_new_one_cancelled(enter, chief):
    rows = make_parties()
    meter = make_meter(rows, 1)
    message = make_outbound(rows, 1, lane=meter.pk, state="rejected")
    failed = make_command(rows, meter)
    Command.objects.update(message=message)
    page = enter(chief)
    page.goto(address(Command, "change", failed.pk))
    expect(page.locator(".das-timeline li")).to_have_count(2)
    expect(page.locator(".das-panel")).to_contain_text(message.serial_no)
    page.click("a.das-button[href$='/ask/replay/']")
    assert Command.objects.count() == 1
    page.dblclick(YES)
    arrive_at(page, "/change/")
    new = Command.objects.exclude(pk=failed.pk).get()
    assert (new.replay_of, new.state, new.payload, new.requested_by) == (failed, "queued", failed.payload, chief)
    page.goto(address(Command, "change", new.pk))
    page.locator(f".das-lead a[href='{address(Command, 'change', failed.pk)}']").click()
    page.locator(f".das-lead a[href='{address(Command, 'change', new.pk)}']").click()
    page.click("a.das-button[href$='/ask/cancel/']")
    page.click(YES)
    page.wait_for_url(f"**{address(Command, 'change', new.pk)}")
    assert path_of(page) == address(Command, "change", new.pk)
    states = dict(Command.objects.values_list("pk", "state"))
    assert states == {failed.pk: "failed", new.pk: "cancelled"}
    assert list(StaffAct.objects.order_by("pk").values_list("act", flat=True)) == ["command.replay", "command.cancel"]
    expect(page.locator("a.das-button[href$='/ask/cancel/']")).to_have_count(0)
