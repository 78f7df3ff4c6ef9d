"""By what the lists of messages are filtered: by an index, and offering what is known without asking the table."""

from datetime import date, timedelta
from typing import Any, cast

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import get_resolver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from protocol.models import Company, DeliveryState, OutboundLane, OutboundMessage
from protocol.reconciliation import day_of
from protocol.undelivered import STUCK
from staff.scope import companies_of

DAYS_OFFERED = 7


class CodeFilter(admin.SimpleListFilter):
    """Offers the codes that the interface knows: asking the table for them would read all of it."""

    title = _("message code")
    parameter_name = "code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = get_resolver().reverse_dict
        return [(name, name) for name in sorted(n for n in names if isinstance(n, str) and n.isdecimal())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(code=self.value())


class StateFilter(admin.ChoicesFieldListFilter):
    """What is stuck or withdrawn has an index of its own, and what is pending has its lane."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboundMessage]) -> QuerySet[OutboundMessage]:
        found = cast(QuerySet[OutboundMessage], super().queryset(request, queryset))
        values: Any = self.used_parameters.get(self.lookup_kwarg, [])
        if values and set(values) <= set(STUCK):
            return found.filter(stuck_at__isnull=False)
        if set(values) == {DeliveryState.WITHDRAWN}:
            return found.filter(withdrawn_at__isnull=False)
        if set(values) == {DeliveryState.PENDING}:
            return found.filter(Exists(OutboundLane.objects.filter(peer=OuterRef("peer"), lane=OuterRef("lane"))))
        return found


class CompanyFilter(admin.SimpleListFilter):
    """Offers the user's companies."""

    title = _("company")
    parameter_name = "company"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(company.pk), str(company)) for company in companies_of(request.user)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        # As a number, so that the planner knows how few they are.
        mine = companies_of(request.user).filter(pk=int(value)) if value.isdecimal() else Company.objects.none()
        return queryset.filter(company__in=list(mine.values_list("pk", flat=True)))


class DayFilter(admin.SimpleListFilter):
    """A day of the platform's zone: the last ones are offered, any other can be in the address."""

    title = _("day")
    parameter_name = "day"
    field = "created_at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        today = timezone.localdate()
        days = [(today - timedelta(days=back)).isoformat() for back in range(DAYS_OFFERED)]
        asked = request.GET.get(self.parameter_name)
        return [(day, day) for day in ([*days, asked] if asked and asked not in days else days)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            begin, end = day_of(date.fromisoformat(value))
        except (ValueError, OverflowError):
            return queryset.none()
        return queryset.filter(**{f"{self.field}__gte": begin, f"{self.field}__lt": end})


class DayReceivedFilter(DayFilter):
    field = "received_at"
