"""Which rows a person of the staff sees: those of their companies."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, QuerySet

from protocol.models import Company
from staff.models import StaffScope

Row = TypeVar("Row", bound=Model)


def sees_all(user: User | AnonymousUser) -> bool:
    """True for a superuser, and for who has every company, those of tomorrow too."""
    return user.is_superuser or _scope_of(user)[0]


def companies_of(user: User | AnonymousUser) -> QuerySet[Company]:
    if sees_all(user):
        return Company.objects.all()
    return Company.objects.filter(pk__in=_scope_of(user)[1])


def reaches(one: User, other: User) -> bool:
    """Whether `one` may do and see all that `other` may."""
    if one.is_superuser and one.is_active:
        return True
    if other.is_superuser or not other.get_all_permissions() <= one.get_all_permissions():
        return False
    return sees_all(one) or (not sees_all(other) and set(_scope_of(other)[1]) <= set(_scope_of(one)[1]))


def _scope_of(user: User | AnonymousUser) -> tuple[bool, list[Any]]:
    """Whether all companies, else which. Asked once per user object, which lives as long as a request."""
    known = getattr(user, "_staff_scope", None)
    if known is None:
        everything = StaffScope.objects.filter(user=user.pk, all_companies=True).exists()
        chosen = StaffScope.companies.through.objects.filter(staffscope=user.pk)
        # As numbers: the planner then knows how few they are, and the index of a large table serves.
        known = (everything, [] if everything else list(chosen.values_list("company", flat=True)))
        user._staff_scope = known  # type: ignore[union-attr]
    return known


def within(rows: QuerySet[Row], *, user: User | AnonymousUser, company: str) -> QuerySet[Row]:
    """The rows whose `company` (a path such as "meter__company") is one of the user's; of many, at least one."""
    if sees_all(user):
        return rows
    mine = _scope_of(user)[1]
    if _is_many(rows.model, company):
        return rows.filter(pk__in=rows.model._base_manager.filter(**{f"{company}__in": mine}).values("pk"))
    return rows.filter(**{f"{company}__in": mine})


def _is_many(model: type[Model], path: str) -> bool:
    """True when a row may reach several companies, and a join would repeat it."""
    for name in path.split("__"):
        if name == "pk":
            return False
        field: Any = model._meta.get_field(name)
        if field.many_to_many or field.one_to_many:
            return True
        model = field.related_model
    return False
