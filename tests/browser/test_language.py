"""Chinese and English: the switch stays on the page, before and after signing in; no English on Chinese pages."""

import re
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from playwright.sync_api import Page, expect

from alarms.models import Alarm
from analysis.models import ApiToken, ExportJob
from commands.models import BulkCommand, Cause, Command, CommandEvent
from meters.models import Meter
from protocol.models import OutboundAttempt
from readings.models import Reading
from staff.acts import put_on_record
from staff.models import StaffAct
from tests.admin.browsing import busy
from tests.admin.browsing import page as address
from tests.admin.rows import NOW, Rows, make_everything, make_export, make_token

# What is written so in Chinese too: proper names, units, codes of the interface, and the names of these rows.
ALLOWED = {
    *("API", "BOM", "CIS", "CNY", "CSV", "Excel", "HTTP", "HTTPS", "ID", "IP", "ISO", "JSON", "OpenAPI", "Parquet"),
    *("URL", "UTF", "UTC", "Unicode", "gzip", "kPa", "h", "m", "ms", "s", "V", "appCode", "appSecret", "serialNo"),
    *("English", "Open", "Gas", "DAS", "Ctrl", "K", "CIDR", "HMAC", "SHA", "MD", "IPv", "admin", "Redis"),
    *("http", "Mac", "LDAP", "NB-IoT", "Chief", "Notebook", "Meters"),
    *("C", "chief", "idle", "inspector", "script", "alert", "refused", "example", "notebook", "meters", "csv"),
}
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# Icons are drawn from their names, bodies and what libraries tell are shown as they came, a password's salt is random.
VISIBLE = """() => {
    const raw = '.material-symbols-outlined, pre, code, script, style, .field-password';
    document.querySelectorAll(raw).forEach(one => one.remove());
    const told = [...document.querySelectorAll('[placeholder], [title], [aria-label]')].filter(one => one.offsetParent);
    const hints = told.flatMap(one => ['placeholder', 'title', 'aria-label'].map(name => one.getAttribute(name) || ''));
    const options = [...document.querySelectorAll('option')].map(one => one.textContent);
    return [document.title, document.body.innerText, ...hints, ...options].join('\\n');
}"""


def language_of(page: Page) -> str:
    return page.locator("html").get_attribute("lang") or ""


def test_the_switch_on_the_login_page_and_in_the_header_stays_on_the_page(page, enter, chief):
    page.goto("/admin/login/?next=/admin/alarms/alarm/")
    login = page.url
    assert language_of(page) == "zh-hans"
    for language in ("en", "zh-hans"):
        page.click(f"button[lang={language}]")
        expect(page.locator(f"html[lang={language}]")).to_be_attached()
        assert page.url == login
    enter(chief)
    page.goto("/admin/alarms/alarm/?state__exact=open")
    listed = page.url
    for language in ("en", "zh-hans"):
        switch = page.locator(f"button[lang={language}]").first
        page.get_by_text("chief", exact=True).first.click()
        switch.click()
        expect(page.locator(f"html[lang={language}]")).to_be_attached()
        assert page.url == listed


def test_no_english_word_is_left_on_the_chinese_pages(page, enter, chief):
    rows = make_everything(1)
    make_export(chief)
    make_token(chief, name="notebook")
    make_acts(chief, rows)
    page.goto("/admin/login/")
    left = [f"/admin/login/: {word}" for word in foreign_words(page)]
    enter(chief)
    for url in pages_of(chief):
        page.goto(url, wait_until="domcontentloaded")
        left += [f"{url}: {word}" for word in foreign_words(page)]
    print(*left, sep="\n")
    assert left == []


def make_acts(person: User, rows: Rows) -> None:
    """One of each kind that puts codes on record, as its room does; each shows on the page of its target too."""
    meter, command = Meter.objects.get(), Command.objects.get()
    bulk = {"wish": "closed", "meters": 1, "selection": "?status__exact=active", "not_asked": 1}
    facts: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
        ("meter.close", meter, {"valve": "open", "status": "active", "last_command": None}, {"asked": {"amount": "5"}}),
        (
            "meter.replace",
            meter,
            {"replaced_by": None, "price": "1"},
            {"asked": {"meter_no": "1", "meter_type": "441"}},
        ),
        ("command.replay", command, {"state": "failed"}, {"state": "queued", "command": 7}),
        ("bulk.start", BulkCommand.objects.get(), {}, bulk),
        ("outbound.send_again", rows.peer, {}, {"messages": 3, "filter": "?state__exact=dead&code=2001&q=1"}),
        ("peer.pause", rows.peer, {"state": "closed", "held_by": ""}, {"state": "open", "held_by": "chief"}),
        ("peer.test", rows.peer, {}, {"http_status": None, "duration_ms": 5, "error": "TimeoutError", "echo_code": ""}),
        ("export.file", ExportJob.objects.get(), {}, {"table": "meters", "asked": {"list": "q=1"}, "form": "csv"}),
        ("export.stream", person, {}, {"table": "daily-usage", "filters": {}, "by": "token"}),
        ("reconcile.send_again", rows.company, {}, {"day": "2026-02-01", "code": "2001", "filter": "", "messages": 2}),
        ("reading.review", Reading.objects.first(), {"decision": "", "quality": "jump"}, {"decision": "accepted"}),
        ("alarm.clear", Alarm.objects.get(), {"state": "open"}, {"state": "cleared"}),
        ("token.make", ApiToken.objects.get(), {}, {"user": "chief"}),
    ]
    for act, target, before, after in facts:
        put_on_record(by=person, act=act, target=target, company=rows.company, before=before, after=after)
    CommandEvent.objects.filter(command=command).delete()
    for cause in Cause.values:
        CommandEvent.objects.create(command=command, at=NOW, from_state="sent", to_state="sent", cause=cause)
    OutboundAttempt.objects.update(error="TimeoutError")
    Alarm.objects.update(state="cleared", cleared_at=NOW, cleared_because="reports_again")
    ExportJob.objects.update(state="failed", error="lost", asked={"list": "status__exact=active"})


def foreign_words(page: Page) -> list[str]:
    """Words in Latin letters that are no code: with a digit or an underline in it, or in the list."""
    words = set(WORD.findall(page.evaluate(VISIBLE)))
    return sorted(word for word in words if word not in ALLOWED and not re.search(r"[0-9_]", word))


def pages_of(person: User) -> list[str]:
    """Home; each model's list, a page and its form for a new row; what is confirmed."""
    pages = ["/admin/", "/admin/password_change/"]
    for model, model_admin in admin.site._registry.items():
        pages.append(address(model, "changelist"))
        row = busy(model) if model._default_manager.exists() else None
        if row is not None:
            pages.append(address(model, "change", row.pk))
        if offers_a_form(model_admin, person):
            pages.append(address(model, "add"))
    meters, commands = address(Meter, "changelist"), address(Command, "changelist")
    pages += [address(StaffAct, "change", act.pk) for act in StaffAct.objects.all()]
    pages.append("/admin/protocol/outboundmessage/reconcile/")
    meter, command = Meter.objects.get(), Command.objects.get()
    acts = ("open", "close", "recharge", "price", "replace", "deregister")
    pages += [f"{meters}{meter.pk}/ask/{act}/" for act in acts]
    return [*pages, f"{commands}{command.pk}/ask/replay/"]


def offers_a_form(model_admin, person: User) -> bool:
    request = RequestFactory().get("/")
    request.user = person
    return model_admin.has_add_permission(request)
