"""Who sees one company sees nothing of another: not at home, in lists, by search, or by the address of a page."""

from django.contrib.auth.models import Permission
from django.utils import timezone
from playwright.sync_api import expect

from alarms.models import Alarm
from commands.models import Command
from meters.models import Meter
from office.figures import refresh
from protocol.models import OutboundMessage
from readings.models import Reading
from tests.admin.browsing import page as address
from tests.admin.rows import make_everything
from tests.staff.conftest import employ, make_other


def test_nothing_of_another_company_is_seen_anywhere(enter, transactional_db):
    mine, other = make_everything(meters=1), make_other()
    refresh(now=timezone.now())
    clerk = employ("clerk", companies=[mine.company])
    clerk.user_permissions.set(Permission.objects.all())
    page = enter(clerk)
    page.goto("/admin/")
    expect(page.locator(".das-card[href$='/meters/meter/'] b")).to_have_text("1")
    expect(page.locator(".das-card[href*='/commands/command/?state__exact=failed'] b")).to_have_text("1")
    page.fill("#find-meter", "000000000900")
    page.press("#find-meter", "Enter")
    expect(page.locator("#changelist")).to_be_visible()
    expect(page.locator("#result_list tbody tr")).to_have_count(0)
    for model in (Meter, Command, Alarm, Reading):
        page.goto(address(model, "changelist"))
        expect(page.locator("#result_list")).to_contain_text("000000000001")
        expect(page.locator("#result_list")).not_to_contain_text("000000000900")
        assert "FREMD" not in page.content()
    for model in (Meter, Command, Alarm, OutboundMessage):
        theirs = model.objects.order_by("pk").last()
        refused(page, address(model, "change", theirs.pk))
    theirs = Meter.objects.get(company=other.company)
    before = Command.objects.count()
    refused(page, f"{address(Meter, 'changelist')}{theirs.pk}/ask/open/")
    assert Command.objects.count() == before


def refused(page, url: str) -> None:
    answer = page.goto(url)
    assert answer.status in (403, 404) or answer.request.redirected_from, url
    assert "FREMD" not in page.content()
    assert "000000000900" not in page.content()
