"""Putting an act of the staff on record, in the transaction that does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from protocol.models import Company
from staff.models import StaffAct

Facts = dict[str, Any]
_VERBS: dict[str, Any] = {"add": _("added"), "change": _("changed"), "delete": _("deleted")}
_NAMES: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Fact:
    """How a fact on record is called, and its values: by a table of codes, or by a function that sees all the facts."""

    label: Any
    words: Mapping[Any, Any] | Callable[[Any, Facts], Any] | None = None

    def told(self, value: Any, facts: Facts) -> Any:
        if self.words is None or value in (None, ""):
            return value
        if isinstance(self.words, Mapping):
            return self.words.get(value, value) if isinstance(value, str | int) else value
        return self.words(value, facts)


_FACTS: dict[str, Fact] = {}


def name_facts(facts: Mapping[str, Fact]) -> None:
    """Say how facts are told that are no field of their target; "peer.state" for acts on a peer only."""
    _FACTS.update(facts)


def fact_named(name: str) -> Fact | None:
    return _FACTS.get(name)


def name_acts(names: Mapping[str, Any]) -> None:
    """Say how acts are called for people: {"valve.close": _("close the valve")}. A room does so beside its acts."""
    _NAMES.update(names)


def act_name(act: str) -> str:
    """An act in the reader's language; "peer.change" of an admin form needs no name of its own."""
    if act in _NAMES:
        return str(capfirst(_NAMES[act]))
    label, _dot, verb = act.rpartition(".")
    models = {model._meta.model_name: model._meta.verbose_name for model in apps.get_models()}
    return f"{capfirst(models[label])}: {_VERBS[verb]}" if label in models and verb in _VERBS else act


def put_on_record(
    *,
    by: User,
    act: str,
    target: Model,
    company: Company | None = None,
    before: Facts | None = None,
    after: Facts | None = None,
    note: str = "",
) -> StaffAct:
    """Record that `by` did `act` ("valve.close", "peer.change") to `target`; the facts are plain JSON values.

    `company` says who may read it later. No secret may be among the facts.
    """
    return StaffAct.objects.create(
        by=by,
        act=act,
        target_model=target._meta.label_lower,
        target_pk=str(target.pk),
        target_text=str(target)[:200],
        company=company,
        before=before or {},
        after=after or {},
        note=note,
    )
