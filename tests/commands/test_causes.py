"""Why a command moved is kept as a code and said in the reader's language."""

import pytest
from django.utils import translation

from commands.causes import in_words
from commands.models import Cause, CommandEvent


def said(cause: str, detail: str = "", language: str = "en") -> str:
    with translation.override(language):
        return in_words(CommandEvent(cause=cause, detail=detail))


@pytest.mark.parametrize(
    ("cause", "detail", "expected"),
    [
        ("asked", "arrears", "asked for by: arrears"),
        ("too_late", "failed", "the head-end reports “failed”, too late to count"),
        ("cancelled", "", "cancelled by the CIS"),
        ("cancelled_in_time", "li", "cancelled by li before it left"),
        ("cancel_asked", "100% li", "100% li wants it cancelled: the head-end is asked"),
        ("refused", "表具离线", "refused by the head-end: 表具离线"),
        ("overdue", "", "not done in its time"),
        ("meter_ended", "replaced", "the meter has ended: replaced by another meter"),
        ("asked by cis", "", "asked for by: CIS"),
        ("the head-end reports failed, too late to count", "", "the head-end reports “failed”, too late to count"),
        ("cancelled by the CIS before it left", "", "cancelled by the CIS before it left"),
        ("cancelled by li: the head-end is asked", "", "li wants it cancelled: the head-end is asked"),
        ("cancelled by li", "", "cancelled by li"),
        ("something else", "", "something else"),
    ],
)
def test_the_sentence_holds_its_detail(cause, detail, expected):
    assert said(cause, detail) == expected


@pytest.mark.parametrize("cause", Cause.values)
def test_every_cause_has_a_sentence_in_each_language(cause):
    for language in ("en", "zh-hans"):
        assert "%" not in said(cause, "x", language)
    assert len(cause) <= CommandEvent._meta.get_field("cause").max_length
