"""Many valves at once: the dry run says how many and why not the others, then the page follows the progress."""

from django.utils import timezone
from playwright.sync_api import expect

from commands.bulk import carry_out
from commands.kinds import VALVE_CODES
from commands.models import BulkCommand, BulkOutcome, BulkRow, Command
from meters.models import Meter, MeterState, ValveState
from tests.admin.browsing import page as address
from tests.admin.rows import NOW, make_meter, make_parties
from tests.browser.conftest import choose_rows, path_of


def test_a_dry_run_then_the_progress_until_it_is_done(enter, chief):
    rows = make_parties()
    open_one, open_two, closed, ended = (make_meter(rows, number) for number in (1, 2, 3, 4))
    MeterState.objects.update(reported_at=NOW)
    MeterState.objects.filter(meter=closed).update(valve=ValveState.CLOSED)
    Meter.objects.filter(pk=ended.pk).update(status="ended", ended_at=NOW)
    page = enter(chief)
    page.goto(address(Meter, "changelist"))
    choose_rows(page, "close_valves", *Meter.objects.values_list("pk", flat=True))
    expect(page.locator("#bulk-title")).to_be_visible()
    bulk = BulkCommand.objects.get()
    assert path_of(page) == address(BulkCommand, "change", bulk.pk)
    counts = {"waiting": "2", "already": "1", "ended": "1"}
    assert {told: counted(page, told) for told in counts} == counts
    assert dict(BulkRow.objects.values_list("meter", "outcome")) == {
        open_one.pk: BulkOutcome.WAITING,
        open_two.pk: BulkOutcome.WAITING,
        closed.pk: BulkOutcome.ALREADY,
        ended.pk: BulkOutcome.ENDED,
    }
    assert not Command.objects.exists()
    page.click("form[action$='/start/'] button")
    expect(page.locator("#bulk-progress progress")).to_have_attribute("value", "50")
    assert carry_out(clock=timezone.now) == 2
    expect(page.locator("#bulk-progress progress")).to_have_attribute("value", "100")
    expect(page.locator("form[action$='/cancel/']")).to_have_count(0)
    assert counted(page, "asked") == "2"
    wished = {"valveSet": VALVE_CODES[ValveState.CLOSED]}
    asked = list(Command.objects.order_by("meter").values_list("meter", "payload", "requested_by"))
    assert asked == [(open_one.pk, wished, chief.pk), (open_two.pk, wished, chief.pk)]
    bulk.refresh_from_db()
    assert bulk.state == "done"


def counted(page, outcome: str) -> str:
    return page.locator(f"#bulk-progress a[href$='outcome__exact={outcome}']").inner_text()
