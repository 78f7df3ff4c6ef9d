"""A list is exported: its form, a page that follows the export by itself, the file; or it is cancelled on the way."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from analysis.jobs import run_export
from analysis.models import ExportJob
from meters.models import Meter
from staff.models import StaffAct
from tests.admin.browsing import page as address
from tests.admin.rows import make_meter, make_parties
from tests.browser.conftest import choose_rows, path_of


@pytest.fixture
def page_of_export(enter, chief, settings, tmp_path):
    """The page of an export that has just been asked for: one of two meters, with the form as it comes."""
    settings.EXPORT_DIR = str(tmp_path)
    rows = make_parties()
    first, _second = (make_meter(rows, number) for number in (1, 2))
    page = enter(chief)
    page.goto(address(Meter, "changelist"))
    choose_rows(page, "export_rows", first.pk)
    expect(page.locator("select[name=table]")).to_have_value("meters")
    page.click("button[name=_save]")
    expect(page.locator("progress[data-export]")).to_be_visible()
    return page


def test_the_page_follows_the_export_and_offers_the_file(page_of_export):
    page, job = page_of_export, ExportJob.objects.get()
    assert path_of(page) == address(ExportJob, "change", job.pk)
    assert (job.state, job.asked) == ("queued", {"ids": [Meter.objects.earliest("pk").pk]})
    ExportJob.objects.update(rows=1234)
    expect(page.locator("progress[data-export] + span")).to_have_text("1,234")
    ExportJob.objects.update(rows=0)
    assert run_export(job.pk)
    link = page.locator("a[href$='/file/']")
    with page.expect_download() as download:
        link.click()
    file = download.value
    assert file.suggested_filename == f"meters-{job.pk}.csv"
    lines = Path(file.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "000000000001" in lines[1]
    assert StaffAct.objects.filter(act="export.download", by__username="chief").count() == 1


def test_it_is_cancelled_on_the_page(page_of_export):
    page, job = page_of_export, ExportJob.objects.get()
    page.click("button[formaction$='/cancel/']")
    expect(page.locator("progress[data-export]")).to_have_count(0)
    assert path_of(page) == address(ExportJob, "change", job.pk)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert not run_export(job.pk)
    expect(page.locator("a[href$='/file/']")).to_have_count(0)
