"""Which rows a person of the staff sees: those of their companies."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, QuerySet

from protocol.models import Company
from staff.models import StaffScope

Row = TypeVar("Row", bound=Model)


def sees_all(user: User | AnonymousUser) -> bool:
    """True for a superuser, and for who has every company, those of tomorrow too."""
    return user.is_superuser or StaffScope.objects.filter(user=user.pk, all_companies=True).exists()


def companies_of(user: User | AnonymousUser) -> QuerySet[Company]:
    if sees_all(user):
        return Company.objects.all()
    return Company.objects.filter(
        pk__in=StaffScope.companies.through.objects.filter(staffscope=user.pk).values("company")
    )


def within(rows: QuerySet[Row], *, user: User | AnonymousUser, company: str) -> QuerySet[Row]:
    """The rows whose `company` (a path such as "meter__company") is one of the user's."""
    if sees_all(user):
        return rows
    # As numbers: the planner then knows how few they are, and the index of a large table serves.
    mine: list[Any] = list(companies_of(user).values_list("pk", flat=True))
    return rows.filter(**{f"{company}__in": mine})
