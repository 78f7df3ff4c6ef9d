"""Every kind of page fits a phone, has a name of its own, and can be read; light and dark, Chinese and English."""

import pytest
from playwright.sync_api import expect

from analysis.models import ExportJob
from commands.models import BulkCommand
from meters.models import Account, AccountEntry, Meter
from pricing.models import Price, PriceTier, PriceVersion
from protocol.models import OutboundMessage, Peer
from readings.models import DailyUsage, Reading
from staff.models import StaffAct
from tests.admin.browsing import page as address
from tests.admin.rows import make_everything, make_export, make_token
from tests.browser.test_keyboard import ILLEGIBLE
from tests.browser.test_language import make_acts, pages_of

PHONE = {"width": 390, "height": 844}
LONG = "华北区域天然气管网投资发展集团有限公司东城分公司" * 2
# How far the page is wider than the window, and what reaches out of it and cannot be scrolled to.
TOO_WIDE = """() => {
    const wide = document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth;
    if (!wide) return [];
    const beyond = one => one.getBoundingClientRect().right > innerWidth + 1;
    const out = [...document.querySelectorAll('body *')].filter(beyond);
    return [`${wide} px`, ...out.slice(0, 3).map(one => one.outerHTML.slice(0, 80))];
}"""
# Figures, and the heads of their columns, that do not end at the right.
ASTRAY = """() => [...document.querySelectorAll('#result_list td, .inline-related td')]
    .filter(one => one.getClientRects().length && /^-?[0-9]+[.][0-9]+( %)?$/.test(one.innerText.trim()))
    .flatMap(one => [one, one.closest('table').querySelector('thead tr').cells[one.cellIndex]])
    .filter(one => getComputedStyle(one).textAlign !== 'right' ||
        (one.matches('th') && getComputedStyle(one.querySelector('.flex')).justifyContent !== 'flex-end'))
    .map(one => one.innerText)"""
# What heads something and begins with a small letter.
SMALL = """() => [...document.querySelectorAll('thead th, label, dt, h1, h2, h3, legend, .das-card span')].filter(one =>
    one.getClientRects().length && /^[a-z]/.test(one.innerText.trim()) &&
    (getComputedStyle(one, '::first-letter').textTransform !== 'uppercase' ||
        !['block', 'table-cell'].includes(getComputedStyle(one).display))).map(one => one.innerText.trim())"""
# The contrast of the words of each chart to the page behind it.
CHART_CONTRAST = """() => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true});
    const light = colour => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    };
    const behind = one => {
        const colour = getComputedStyle(one).backgroundColor;
        return colour !== 'rgba(0, 0, 0, 0)' || !one.parentElement ? colour : behind(one.parentElement);
    };
    return Object.values(Chart.instances).flatMap(chart => Object.values(chart.scales).map(scale => {
        const [a, b] = [light(scale.options.ticks.color), light(behind(chart.canvas))].sort((x, y) => y - x);
        return (a + .05) / (b + .05);
    }));
}"""


@pytest.fixture
def everything(chief):
    """A row of each kind, with names as long as they come."""
    rows = make_everything(1)
    make_export(chief)
    make_token(chief, name="notebook")
    make_acts(chief, rows)
    for party in (rows.company, rows.manufacturer):
        type(party).objects.filter(pk=party.pk).update(name=LONG)
    Meter.objects.update(user_name=LONG, address=LONG)
    return rows


def test_no_page_is_wider_than_a_phone(enter, chief, everything):
    page = enter(chief)
    page.set_viewport_size(PHONE)
    peer = address(Peer, "changelist") + str(everything.peer.pk)
    reconciled = f"/admin/protocol/outboundmessage/reconcile/?company={everything.company.pk}&day=2026-02-01"
    wide = {}
    asked = [f"{peer}/ask/{act}/" for act in ("rotate", "pause", "resume", "test")]
    for url in [*pages_of(chief), *asked, f"{peer}/change/", reconciled]:
        page.goto(url)
        if found := page.evaluate(TOO_WIDE):
            wide[url] = found
    print(*wide.items(), sep="\n")
    assert wide == {}


def test_each_page_says_where_it_is(enter, live_server, chief, everything):
    """In the title of the tab, in the heading, and by one entry of the sidebar."""
    page = enter(chief)
    places = {
        "/admin/": "今日工作",
        address(Meter, "changelist"): "表具",
        address(Reading, "changelist"): "抄表记录",
        address(OutboundMessage, "changelist"): "发送报文",
        "/admin/protocol/outboundmessage/reconcile/": "对账",
        address(ExportJob, "changelist"): "导出任务",
    }
    for url, name in places.items():
        page.goto(url)
        assert page.title().startswith(f"{name} |"), url
        expect(page.locator("h1")).to_contain_text(name)
        expect(page.locator("#nav-sidebar a.active")).to_have_count(1)
        expect(page.locator("#nav-sidebar a.active")).to_contain_text(name)
    page.context.add_cookies([{"name": "django_language", "value": "en", "url": live_server.url}])
    for model, name in (
        (BulkCommand, "Bulk valve commands"),
        (OutboundMessage, "Outbound messages"),
        (StaffAct, "Staff acts"),
    ):
        page.goto(address(model, "changelist"))
        expect(page.locator("h1")).to_contain_text(name)
        expect(page.locator("#nav-sidebar a.active")).to_contain_text(name)
    page.goto(address(Meter, "change", Meter.objects.get().pk))
    expect(page.locator("h1 a").first).to_have_attribute("href", address(Meter, "changelist"))


def test_figures_end_under_the_ends_of_their_heads(enter, chief, everything):
    page = enter(chief)
    pages = [address(model, "changelist") for model in (Meter, Account, AccountEntry, DailyUsage, Reading, PriceTier)]
    for url in [*pages, address(PriceVersion, "change", PriceVersion.objects.get(price=everything.price).pk)]:
        page.goto(url)
        assert page.evaluate(ASTRAY) == [], url


def test_what_heads_a_column_or_a_field_begins_with_a_capital(enter, live_server, chief, everything):
    page = enter(chief)
    page.context.add_cookies([{"name": "django_language", "value": "en", "url": live_server.url}])
    for url in pages_of(chief):
        page.goto(url, wait_until="domcontentloaded")
        assert page.evaluate(SMALL) == [], url


def test_a_secret_agreed_with_a_peer_can_be_entered(enter, chief):
    page = enter(chief)
    page.goto(address(Peer, "add"))
    box = page.locator("input[name=secret]").bounding_box()
    assert box and box["width"] > 200 and box["height"] > 30
    assert page.locator("input[name=secret]").evaluate("one => getComputedStyle(one).borderTopWidth") == "1px"


def test_charts_can_be_read_in_light_and_dark(enter, chief, everything):
    page = enter(chief)
    reading = Reading.objects.filter(quality="jump").get()
    pages = [address(Price, "change", everything.price.pk), address(Reading, "change", reading.pk)]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for url in pages:
            page.goto(url)
            ratios = page.evaluate(CHART_CONTRAST)
            assert ratios and min(ratios) >= 4.5, f"{url} {scheme}: {ratios}"
            assert page.evaluate(ILLEGIBLE) == [], f"{url} {scheme}"
