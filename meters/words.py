"""Codes that are kept where a person could have written, in the reader's language."""

from typing import Final

from django.utils.translation import gettext as _

# The reason of the end of a meter in whose place another came (1009).
REPLACED: Final = "replaced"


def end_reason_words(reason: str) -> str:
    """What whoever ended the meter wrote, as it is."""
    return _("replaced by another meter") if reason == REPLACED else reason
