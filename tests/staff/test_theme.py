"""The theme speaks Chinese throughout, and the sidebar shows each person what they may open."""

import re
from pathlib import Path

import django
import polib
import pytest
import unfold
from django.conf import settings

from tests.admin.test_translations import words_of_template
from tests.staff.conftest import employ

THEME = Path(unfold.__file__).parent
CATALOGUE = Path(settings.BASE_DIR) / "locale_theme/zh_Hans/LC_MESSAGES/django"
CONTRIB_IN_USE = {"filters", "forms"}
HAN = re.compile("[\u4e00-\u9fff]")


def theme_words() -> set[str]:
    words: set[str] = set()
    for path in THEME.rglob("*.html"):
        parts = path.relative_to(THEME).parts
        if parts[0] != "contrib" or parts[1] in CONTRIB_IN_USE:
            words.update(words_of_template(path.read_text(encoding="utf-8")))
    return words


def known_words() -> set[str]:
    site_packages = Path(django.__file__).parent
    known: set[str] = set()
    for place in ("conf", "contrib/admin", "contrib/auth"):
        compiled = polib.mofile(str(site_packages / place / "locale/zh_Hans/LC_MESSAGES/django.mo"))
        known.update(word for e in compiled if e.msgstr or e.msgstr_plural for word in (e.msgid, e.msgid_plural))
    for name in ("locale", "locale_theme"):
        entries = polib.mofile(str(Path(settings.BASE_DIR) / name / "zh_Hans/LC_MESSAGES/django.mo"))
        known.update(word for e in entries for word in (e.msgid, e.msgid_plural))
    return known


def test_every_word_of_the_theme_has_a_chinese_one():
    # Django's Chinese writes plurals of its own: one form stands for both.
    missing = {word for word in theme_words() if word not in known_words() and not word.endswith("results")}
    assert missing == set()


def test_the_theme_catalogue_is_chinese_and_compiled():
    source, compiled = polib.pofile(f"{CATALOGUE}.po"), polib.mofile(f"{CATALOGUE}.mo")
    assert {e.msgid: (e.msgstr, e.msgstr_plural) for e in compiled} == {
        e.msgid: (e.msgstr, e.msgstr_plural) for e in source
    }
    assert all(HAN.search(e.msgstr or e.msgstr_plural[0]) for e in source)


@pytest.mark.django_db
def test_the_sidebar_shows_what_the_role_may_open(client):
    client.force_login(employ("a", "analyst", everything=True))
    page = client.get("/admin/").text
    assert "/admin/readings/reading/" in page
    assert "/admin/protocol/inboundmessage/" not in page
    assert "/admin/auth/user/" not in page


@pytest.mark.django_db
def test_no_page_asks_another_host_for_anything(client):
    client.force_login(employ("a", "administrator", everything=True))
    for address in ("/admin/", "/admin/meters/meter/", "/admin/login/"):
        page = client.get(address).text
        assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?:https?:)?//""", page)
