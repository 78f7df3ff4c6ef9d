"""Both catalogues are complete, are what the sources say, and are compiled (a bare machine has no msgfmt)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.utils import translation
from django.utils.html import strip_tags
from django.utils.translation.template import templatize

from tests.admin.rows import make_person

ROOT = Path(settings.BASE_DIR)
CATALOGUES = ["zh_Hans", "en"]
SOURCES = [
    *("alarms", "analysis", "commands", "config", "meters", "office", "pricing", "protocol", "readings", "simulator"),
    "staff",
]
# Which arguments of a call are words for people; pgettext's first is a context.
MARKS = {
    "_": [0],
    "gettext": [0],
    "gettext_lazy": [0],
    "gettext_noop": [0],
    "ngettext": [0, 1],
    "ngettext_lazy": [0, 1],
    "pgettext": [1],
    "pgettext_lazy": [1],
}
LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
HAN = re.compile("[\u4e00-\u9fff]")


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(str(ROOT / f"locale/{language}/LC_MESSAGES/django.po"))


def words_of_python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS:
            for position in MARKS[node.func.id]:
                yield ast.literal_eval(node.args[position])


def words_of_template(text: str) -> Iterator[str]:
    for call in re.findall(rf"\b(?:n?gettext|_)\(({LITERAL}(?:, {LITERAL})?)", templatize(text)):
        yield from (ast.literal_eval(literal) for literal in re.findall(LITERAL, call))


def words_in_the_sources() -> set[str]:
    words: set[str] = set()
    for name in SOURCES:
        for path in (ROOT / name).rglob("*.py"):
            words.update(words_of_python(path.read_text(encoding="utf-8")))
    for name in [*SOURCES, "templates"]:
        for path in [*(ROOT / name).rglob("*.html"), *(ROOT / name).rglob("*.txt")]:
            words.update(words_of_template(path.read_text(encoding="utf-8")))
    return words


def words_in(entries: polib.POFile) -> set[str]:
    return {word for entry in entries for word in (entry.msgid, entry.msgid_plural) if word}


def test_words_are_found_in_templates():
    text = """{% translate "It's" %} {{ _("x (y)") }} {% if a|default:_('z') %}{% endif %}
    {% blocktranslate trimmed count n=1 %}one {% plural %}many {{ n }}{% endblocktranslate %}"""
    assert set(words_of_template(text)) == {"It's", "x (y)", "z", "one", "many %(n)s"}


@pytest.mark.parametrize("language", CATALOGUES)
def test_the_catalogue_holds_every_word_of_the_sources_and_no_other(language):
    assert words_in(catalogue(language)) == words_in_the_sources()


@pytest.mark.parametrize("language", CATALOGUES)
def test_nothing_is_untranslated_uncertain_or_left_over(language):
    entries = catalogue(language)
    assert [entry.msgid for entry in entries.untranslated_entries()] == []
    assert [entry.msgid for entry in entries if entry.fuzzy] == []
    assert [entry.msgid for entry in entries.obsolete_entries()] == []


@pytest.mark.parametrize("language", CATALOGUES)
def test_the_compiled_catalogue_is_up_to_date(language):
    compiled = polib.mofile(str(ROOT / f"locale/{language}/LC_MESSAGES/django.mo"))
    source = catalogue(language)
    assert {e.msgid: (e.msgstr, e.msgstr_plural) for e in compiled} == {
        e.msgid: (e.msgstr, e.msgstr_plural) for e in source
    }
    assert compiled.metadata["Plural-Forms"] == source.metadata["Plural-Forms"]


@pytest.mark.parametrize("language", CATALOGUES)
def test_placeholders_survive_translation(language):
    for entry in catalogue(language):
        for translated in [entry.msgstr] if entry.msgstr else entry.msgstr_plural.values():
            assert set(re.findall(r"%\(\w+\)\w", translated)) == set(re.findall(r"%\(\w+\)\w", entry.msgid))


def test_every_chinese_entry_is_chinese_and_no_english_one_is():
    for entry in catalogue("zh_Hans"):
        assert all(HAN.search(word) for word in ([entry.msgstr] if entry.msgstr else entry.msgstr_plural.values()))
    assert not any(HAN.search(word) for word in words_in_the_sources())


def index_text(client: Client, language: str) -> str:
    client.force_login(make_person())
    client.cookies["django_language"] = language
    content = client.get("/admin/").text
    return strip_tags(re.sub(r"(?s)<(script|style|svg).*?</\1>|<!--.*?-->", "", content)).replace("\xa0", " ")


def names(language: str) -> set[str]:
    """What models of ours are called, as the index writes it."""
    with translation.override(language):
        ours = [model for model in admin.site._registry if model._meta.app_label in SOURCES]
        plurals = {str(model._meta.verbose_name_plural) for model in ours}
    return {name[:1].upper() + name[1:] for name in plurals}


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "other"), [("zh-hans", "en"), ("en", "zh-hans")])
def test_the_index_speaks_one_language(client, language, other):
    text = index_text(client, language)
    assert [name for name in names(language) if name not in text] == []
    assert [name for name in names(other) if name in text] == []
    assert ("燃气表具数据采集系统" in text) == (language == "zh-hans")


@pytest.mark.django_db
def test_the_pages_start_in_chinese_whatever_the_browser_prefers(client):
    response = client.get("/admin/login/", headers={"accept-language": "en-GB,en;q=0.9"})
    assert 'lang="zh-hans"' in response.text
    assert "燃气表具数据采集系统" in response.text
    assert response.headers["Content-Language"] == "zh-hans"


@pytest.mark.django_db
def test_the_switch_in_the_header_changes_the_language_and_stays_on_the_page(client):
    client.force_login(make_person())
    switch = client.get("/admin/meters/meter/?q=1").text
    assert 'action="/i18n/setlang/"' in switch
    assert 'name="next" value="/admin/meters/meter/?q=1"' in switch
    response = client.post("/i18n/setlang/", {"language": "en", "next": "/admin/meters/meter/?q=1"})
    assert (response.status_code, response.url) == (302, "/admin/meters/meter/?q=1")
    assert "Gas meter data acquisition" in client.get("/admin/").text
    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    assert "燃气表具数据采集系统" in client.get("/admin/").text


@pytest.mark.django_db
def test_the_login_page_offers_both_languages_and_an_unknown_one_changes_nothing(client):
    client.cookies["django_language"] = "xx"
    content = client.get("/admin/login/").text
    assert 'lang="zh-hans"' in content
    assert "简体中文" in content
    assert "English" in content
