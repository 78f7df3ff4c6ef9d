"""How an act of the staff is written on a page."""

from typing import Any

from django import template
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from staff.acts import Fact, Facts, fact_named, name_facts
from staff.acts import act_name as name_of
from staff.models import StaffAct

register = template.Library()
name_facts(
    {
        "messages": Fact(_("messages")),
        "code": Fact(_("message code")),
        "day": Fact(_("day")),
        "state": Fact(_("state")),
        "echo_code": Fact(_("echo code")),
        "answer": Fact(_("answer")),
    }
)


@register.filter
def act_name(act: str) -> str:
    return name_of(act)


@register.simple_tag
def changes(act: StaffAct) -> SafeString:
    """One line per fact that differs: its name, how it was, how it is."""
    names = list(dict.fromkeys([*act.before, *act.after]))
    facts = {name: _fact(act, name) for name in names}
    rows = [
        (capfirst(facts[name].label), *(_text(facts[name], side.get(name), side) for side in (act.before, act.after)))
        for name in names
    ]
    differing = [row for row in rows if row[1] != row[2]]
    if not differing:
        return SafeString("")
    lines = format_html_join("", "<div><dt>{}</dt><dd>{} → {}</dd></div>", differing)
    return format_html('<dl class="staff-changes">{}</dl>', lines)


def _fact(act: StaffAct, name: str) -> Fact:
    """As its room has named it for this target, else as the field of the target is called, else as for any target."""
    own = fact_named(f"{act.target_model.rpartition('.')[2]}.{name}")
    return own or _of_field(act.target_model, name) or fact_named(name) or Fact(name)


def _of_field(model: str, name: str) -> Fact | None:
    try:
        field: Any = apps.get_model(model)._meta.get_field(name)
        if isinstance(field, DateTimeField):
            return Fact(field.verbose_name, lambda moment, facts: _local(moment))
        return Fact(field.verbose_name, dict(field.flatchoices) if getattr(field, "choices", None) else None)
    except (LookupError, FieldDoesNotExist, AttributeError, ValueError):
        return None


def _local(moment: Any) -> Any:
    """A moment on record, in the platform's zone like all others on the page."""
    try:
        parsed = parse_datetime(moment)
    except (TypeError, ValueError):
        return moment
    return date_format(timezone.localtime(parsed), "Y-m-d H:i:s") if parsed is not None and parsed.tzinfo else moment


def _text(fact: Fact, value: Any, facts: Facts) -> str:
    told = fact.told(value, facts)
    if isinstance(told, dict):
        inner = {name: fact_named(name) or Fact(name) for name in told}
        return "; ".join(f"{inner[name].label}: {_text(inner[name], one, told)}" for name, one in told.items()) or "–"
    if isinstance(told, bool):
        return gettext("yes") if told else gettext("no")
    if isinstance(told, list):
        return ", ".join(map(str, told)) or "–"
    return "–" if told is None or told == "" else str(told)
