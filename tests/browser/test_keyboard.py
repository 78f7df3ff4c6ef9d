"""What staff do can be reached and done by the keyboard alone, read aloud, and read."""

from playwright.sync_api import expect

from analysis.models import ExportJob
from commands.models import Command
from meters.models import Meter
from protocol.models import Peer
from tests.admin.browsing import page as address
from tests.admin.rows import make_everything, make_meter, make_parties

MOST_TABS = 60
FOCUSED = "document.activeElement.matches({!r})"
# Buttons and links without words or a name; fields without a label.
NAMELESS = """() => {
    const seen = one => one.getClientRects().length && getComputedStyle(one).visibility !== 'hidden';
    const said = one => {
        const copy = one.cloneNode(true);
        copy.querySelectorAll('.material-symbols-outlined').forEach(icon => icon.remove());
        const words = one.matches('.material-symbols-outlined') ? '' : copy.textContent.trim();
        return words || one.getAttribute('aria-label') || one.title;
    };
    const controls = [...document.querySelectorAll('a, button, [role=button]')].filter(one => !said(one));
    const fields = [...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter(
        one => !one.labels.length && !one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby'));
    return [...controls, ...fields].filter(seen).map(one => one.outerHTML.slice(0, 120));
}"""
# Texts whose colour is too near to what is behind them. Drawn icons are no text.
ILLEGIBLE = """() => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
        .getContext('2d', {willReadFrequently: true});
    const read = colour => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
    const behind = one => {
        const layers = [];
        for (let up = one; up; up = up.parentElement) layers.unshift(read(getComputedStyle(up).backgroundColor));
        return layers.reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const light = colour => colour.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const found = [];
    const texts = document.createTreeWalker(document.querySelector('#page'), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const one = texts.currentNode.parentElement, style = getComputedStyle(one);
        const skipped = '.material-symbols-outlined, script, style, option, svg, .simplebar-placeholder';
        if (!texts.currentNode.textContent.trim() || one.closest(skipped) || !one.getClientRects().length) continue;
        const below = behind(one), [a, b] = [light(over(read(style.color), below)), light(below)].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        const ratio = (a + .05) / (b + .05);
        if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${one.textContent.trim().slice(0, 40)}`);
    }
    return [...new Set(found)];
}"""
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


def test_a_list_is_skipped_to_and_filtered_by_the_keyboard(enter, chief):
    make_meter(make_parties(), 1)
    page = enter(chief)
    page.goto(address(Meter, "changelist"))
    assert tab_to(page, ".das-skip") == 1
    expect(page.locator(".das-skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert tab_to(page, "input[name=q]") <= 2, "what comes after the link is the content"
    tab_to(page, "[role=button]")
    assert page.evaluate(FOCUSED.format("a:not([href])")), "the theme's filters"
    page.keyboard.press("Enter")
    expect(page.locator("#changelist-filter")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#changelist-filter")).to_be_hidden()


def test_every_control_has_a_name_and_every_field_a_label(enter, chief):
    make_everything(1)
    page = enter(chief)
    pages = [address(Meter, "changelist"), address(Peer, "add"), address(Meter, "change", Meter.objects.get().pk)]
    for url in ["/admin/", *pages, address(ExportJob, "add")]:
        page.goto(url)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(NAMELESS) == [], url


def test_text_is_legible_in_light_and_dark(enter, chief):
    """WCAG AA: 4.5 to 1, and 3 to 1 for what is large."""
    make_everything(1)
    page = enter(chief)
    pages = ["/admin/", address(Meter, "changelist"), address(Command, "changelist")]
    pages += [address(Meter, "change", Meter.objects.get().pk), address(Command, "change", Command.objects.get().pk)]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for url in pages:
            page.goto(url)
            page.wait_for_load_state("networkidle")
            assert page.evaluate(ILLEGIBLE) == [], f"{url} {scheme}"


def tab_to(page, selector: str) -> int:
    """How often Tab is pressed until the element has the focus."""
    for pressed in range(1, MOST_TABS + 1):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED.format(selector)):
            return pressed
    raise AssertionError(f"{MOST_TABS} tabs do not reach {selector}")
