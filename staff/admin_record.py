"""What staff do through the forms of the admin goes on record, with the fields that changed; secrets never."""

from typing import Any

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from protocol.models import Company
from staff.acts import Facts, put_on_record
from staff.admin_history import WithHistory

SECRETS = frozenset({"app_secret", "previous_secret", "password"})
MASK = "••••••"


class Recorded(WithHistory):
    """Puts added, changed and deleted rows on record."""

    company_path: str | None = None

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Nothing is written yet: this is how the row was before."""
        if change:
            stored = self.model._base_manager.get(pk=form.instance.pk)
            request.facts_before = facts_of(stored)  # type: ignore[attr-defined]
        return super().save_form(request, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, obj, "add", before={}, after=_masked(facts_of(obj)))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        after = facts_of(self.model._base_manager.get(pk=obj.pk))
        # Without a form of the row itself (a new password) only that is said.
        before = getattr(request, "facts_before", {name: None for name in after if name in SECRETS})
        changed = [name for name in after if name in before and after[name] != before[name]]
        self._record(
            request,
            obj,
            "change",
            before=_masked({name: before[name] for name in changed}),
            after=_masked({name: after[name] for name in changed}),
        )
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._record(request, obj, "delete", before=_masked(facts_of(obj)), after={}, keep_company=False)
        return super().log_deletions(request, queryset)

    def _record(
        self, request: HttpRequest, obj: Any, verb: str, *, before: Facts, after: Facts, keep_company: bool = True
    ) -> None:
        assert isinstance(request.user, User)
        company = company_of(obj, self.company_path)
        # A company that is being deleted cannot be referred to.
        if company == obj and not keep_company:
            company = None
        put_on_record(
            by=request.user,
            act=f"{self.model._meta.model_name}.{verb}",
            target=obj,
            company=company,
            before=before,
            after=after,
        )


def facts_of(obj: Model) -> Facts:
    """The fields of a row as plain JSON values, related rows by their names."""
    facts: Facts = {}
    for field in obj._meta.concrete_fields:
        value = field.value_from_object(obj)
        facts[field.name] = str(getattr(obj, field.name)) if field.is_relation and value is not None else value
    for relation in obj._meta.many_to_many:
        facts[relation.name] = sorted(str(row) for row in getattr(obj, relation.name).all())
    encoder = DjangoJSONEncoder()
    plain = (str, int, float, bool, list, dict, type(None))
    return {name: value if isinstance(value, plain) else _as_text(encoder, value) for name, value in facts.items()}


def company_of(obj: Any, path: str | None) -> Company | None:
    """The company that a row belongs to; None for what has none or several."""
    if path is None:
        return None
    for name in path.split("__"):
        obj = obj if name == "pk" else getattr(obj, name, None)
        if hasattr(obj, "all"):
            rows = list(obj.all()[:2])
            obj = rows[0] if len(rows) == 1 else None
    return obj if isinstance(obj, Company) else None


def _as_text(encoder: DjangoJSONEncoder, value: Any) -> str:
    try:
        return str(encoder.default(value))
    except TypeError:
        return str(value)


def _masked(facts: Facts) -> Facts:
    return {name: MASK if name in SECRETS and value else value for name, value in facts.items()}
