"""A meter is found in one search box, says why its valve is closed, and is acted on once however often one clicks."""

import pytest
from django.utils import timezone
from django.utils.translation import override
from playwright.sync_api import expect

from commands.kinds import VALVE_CODES
from commands.models import Command, CommandState, Origin
from meters.models import Account, AccountEntry, Meter, MeterState, ValveState
from office.valve_story import valve_story
from staff.models import StaffAct
from tests.admin.browsing import page as address
from tests.admin.rows import make_command, make_meter, make_parties
from tests.browser.conftest import arrive_at, path_of


@pytest.fixture
def meters(chief):
    rows = make_parties()
    made = [make_meter(rows, number) for number in (1, 2)]
    Meter.objects.filter(pk=made[1].pk).update(user_name="欧阳修", address="阳光小区3栋201室")
    shut_for_arrears(rows, made[1])
    Account.objects.update(kept_here=True)
    return Meter.objects.order_by("pk")


def shut_for_arrears(rows, meter) -> Command:
    command = make_command(rows, meter, state=CommandState.SUCCEEDED)
    told = {"origin": Origin.ARREARS, "peer": None, "serial_no": "", "finished_at": timezone.now()}
    Command.objects.filter(pk=command.pk).update(**told)
    MeterState.objects.filter(meter=meter).update(valve=ValveState.CLOSED)
    Account.objects.filter(meter=meter).update(credited="-8.5", in_arrears=True)
    return command


def test_number_user_number_or_a_part_of_the_address_in_the_one_box(enter, chief, meters):
    page = enter(chief)
    wanted = address(Meter, "change", meters[1].pk)
    for text in ("000000000002", "U000002", "小区3栋"):
        page.goto("/admin/")
        page.fill("#find-meter", text)
        page.press("#find-meter", "Enter")
        page.wait_for_url("**/meters/meter/**")
        if path_of(page) == address(Meter, "changelist"):
            expect(page.locator("#result_list tbody tr")).to_have_count(1)
            page.locator("#result_list tbody th a").first.click()
        expect(page.locator("#life-title")).to_contain_text("欧阳修")
        assert path_of(page) == wanted


def test_the_page_says_why_the_valve_is_closed_and_opens_it_once(enter, chief, meters):
    page = enter(chief)
    meter = meters[1]
    before = Command.objects.get()
    page.goto(address(Meter, "change", meter.pk))
    with override("zh-hans"):
        story = valve_story(meter)
    assert story.cause == "arrears"
    expect(page.locator(".das-why")).to_contain_text(story.sentences[0])
    expect(page.locator(".das-why")).to_contain_text("-8.5")
    expect(page.locator(f".das-why a[href='{address(Command, 'change', before.pk)}']")).to_be_visible()
    page.click("a.das-button[href$='/ask/open/']")
    expect(page.locator(".das-says li").first).to_be_visible()
    page.fill("input[name=note]", "已缴费")
    assert Command.objects.count() == 1
    page.dblclick(".das-panel .das-buttons button")
    arrive_at(page, address(Meter, "change", meter.pk))
    command = Command.objects.exclude(pk=before.pk).get()
    wished = {"valveSet": VALVE_CODES[ValveState.OPEN]}
    assert (command.meter, command.payload, command.origin, command.requested_by) == (meter, wished, "staff", chief)
    assert StaffAct.objects.get().note == "已缴费"


def test_a_double_click_recharges_once(enter, chief, meters):
    page = enter(chief)
    meter = meters[0]
    page.goto(address(Meter, "change", meter.pk))
    page.click("a.das-button[href$='/ask/recharge/']")
    page.fill("input[name=amount]", "12.5")
    page.click(".das-panel .das-buttons button")
    expect(page.locator(".das-says")).to_contain_text("12.5")
    assert AccountEntry.objects.filter(meter=meter).count() == 1
    page.dblclick(".das-panel .das-buttons button")
    arrive_at(page, address(Meter, "change", meter.pk))
    assert list(AccountEntry.objects.filter(meter=meter).order_by("pk").values_list("amount", flat=True)) == [33, 12.5]
    assert Command.objects.filter(meter=meter).count() == 1
    assert StaffAct.objects.count() == 1
