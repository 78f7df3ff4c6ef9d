"""Every section, by letter. A new one: a module with a SECTION, and its line here."""

from benchmarks import admin, bulk, export, fleet, growth, intake_http, outbound, scaleout, settlement, sizing
from benchmarks.frame import Section

SECTIONS: tuple[Section, ...] = (
    intake_http.SECTION,
    bulk.SECTION,
    settlement.SECTION,
    fleet.SECTION,
    export.SECTION,
    outbound.SECTION,
    growth.SECTION,
    scaleout.SECTION,
    sizing.SECTION,
    admin.SECTION,
)


def usual() -> list[Section]:
    """Those that run when none is named: all that need nothing but a PostgreSQL."""
    return [section for section in SECTIONS if not section.own_server]


def find(word: str) -> Section:
    """The section with this letter or name; KeyError when there is none."""
    for section in SECTIONS:
        if word.casefold() in (section.letter.casefold(), section.name):
            return section
    raise KeyError(word)
