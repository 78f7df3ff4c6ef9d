"""How an act of the staff is written on a page."""

from typing import Any

from django import template
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from staff.acts import act_name as name_of
from staff.models import StaffAct

register = template.Library()
# Facts that are no field of what was acted on.
_FACTS: dict[str, Any] = {
    "messages": _("messages"),
    "filter": _("filter"),
    "code": _("message code"),
    "day": _("day"),
    "state": _("state"),
    "echo_code": _("echo code"),
    "answer": _("answer"),
}


@register.filter
def act_name(act: str) -> str:
    return name_of(act)


@register.simple_tag
def changes(act: StaffAct) -> SafeString:
    """One line per fact: its name, how it was, how it is."""
    names = list(dict.fromkeys([*act.before, *act.after]))
    rows = [(_fact_name(act, name), _text(act.before.get(name)), _text(act.after.get(name))) for name in names]
    if not rows:
        return SafeString("")
    lines = format_html_join("", "<div><dt>{}</dt><dd>{} → {}</dd></div>", rows)
    return format_html('<dl class="staff-changes">{}</dl>', lines)


def _fact_name(act: StaffAct, name: str) -> str:
    try:
        return str(capfirst(apps.get_model(act.target_model)._meta.get_field(name).verbose_name))
    except (LookupError, FieldDoesNotExist, AttributeError, ValueError):
        return str(capfirst(_FACTS.get(name, name)))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None or value == "" else str(value)
