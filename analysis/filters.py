"""What analysts may ask of a table: one set of filters for the REST API, for exports and for the command line.

Periods end exclusively. A meter, user, company or manufacturer is named by its whole number.
"""

from datetime import date, datetime
from typing import Any

import django_filters
from django import forms
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alarms.models import AlarmState, AlarmType, Priority
from analysis.tables import Table
from commands.models import CommandKind, CommandState, Origin
from meters.models import BillingModel, Meter, MeterPrice, MeterStatus
from pricing.models import Price
from protocol.models import Company, Manufacturer
from readings.models import Quality, Source
from staff.scope import within

FLAGGED = "flagged"
FEW_METERS = 1_000


class UnknownFilter(ValueError):
    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class FilterInvalid(ValueError):
    """`problems`: for each filter what is wrong with it."""

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(said)}" for name, said in problems.items()))
        self.problems = problems


class DayFormField(forms.Field):
    default_error_messages = {"day": _("Not a day: YYYY-MM-DD is expected.")}

    def to_python(self, value: Any) -> date | None:
        if not value:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValidationError(self.error_messages["day"], code="day") from None


class MomentFormField(forms.Field):
    """A local day (its midnight), or an ISO moment; without an offset it is local."""

    default_error_messages = {"moment": _("Not a moment: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS±HH:MM is expected.")}

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        # An unescaped + of a query string arrives as a blank.
        text = value[:19] + value[19:].replace(" ", "+")
        try:
            moment = datetime.fromisoformat(text)
            return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        except (ValueError, OverflowError):
            raise ValidationError(self.error_messages["moment"], code="moment") from None


class DayFilter(django_filters.Filter):
    field_class = DayFormField


class MomentFilter(django_filters.Filter):
    field_class = MomentFormField


def _choice(path: str, choices: Any, label: Any, **kwargs: Any) -> django_filters.ChoiceFilter:
    return django_filters.ChoiceFilter(field_name=path, choices=choices, label=label, **kwargs)


class TableFilters(django_filters.FilterSet):
    """Filters by the parties of a row's meter, and by the period of `moment`."""

    meter_path = "meter"
    moment = ""
    by_day = False
    # Who asks; None for the command line.
    asker: User | AnonymousUser | None = None

    company = django_filters.CharFilter(method="of_company", label=_("company code"))
    manufacturer = django_filters.CharFilter(method="of_manufacturer", label=_("manufacturer code"))
    meter = django_filters.CharFilter(method="of_meter", label=_("meter number"))
    user = django_filters.CharFilter(method="of_user", label=_("user number"))
    price = django_filters.CharFilter(method="of_price", label=_("price code, on the day of the row"))

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """`from` and `to` are no names for attributes of a class."""
        filters = super().get_filters()
        if cls.moment:
            period = DayFilter if cls.by_day else MomentFilter
            filters["from"] = period(field_name=cls.moment, lookup_expr="gte", label=_("from"))
            filters["to"] = period(field_name=cls.moment, lookup_expr="lt", label=_("until (exclusive)"))
        return filters

    def of_company(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # As numbers, like all below: the planner then knows how few rows they have.
        companies = Company.objects.filter(code=value)
        return rows.filter(**{self._path("company__in"): list(companies.values_list("pk", flat=True))})

    def of_manufacturer(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        makers = Manufacturer.objects.filter(factor_no=value)
        return rows.filter(**{self._path("manufacturer__in"): list(makers.values_list("pk", flat=True))})

    def of_meter(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self._of_meters(rows, Q(meter_no=value))

    def of_user(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self._of_meters(rows, Q(user_no=value))

    def of_price(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        held = _held(value, user=self.asker)
        day: Any = F(self.moment) if self.by_day else TruncDate(self.moment, tzinfo=timezone.get_default_timezone())
        on_the_day = Q(ends__isnull=True) | Q(ends__gt=OuterRef("day_of_row"))
        then = held.filter(on_the_day, meter=OuterRef(self._path("pk")), starts__lte=OuterRef("day_of_row"))
        rows = rows.alias(day_of_row=day).filter(Exists(then))
        # The rows of few meters are found by these; among those of many they turn up soon enough.
        meters = list(held.values_list("meter", flat=True)[: FEW_METERS + 1])
        return rows if len(meters) > FEW_METERS else rows.filter(**{self._path("pk__in"): meters})

    def _of_meters(self, rows: QuerySet[Any], which: Q) -> QuerySet[Any]:
        return rows.filter(**{self._path("pk__in"): list(Meter.objects.filter(which).values_list("pk", flat=True))})

    def _path(self, name: str) -> str:
        return f"{self.meter_path}__{name}" if self.meter_path else name


class ReadingFilters(TableFilters):
    moment = "read_at"
    quality = django_filters.ChoiceFilter(
        method="of_quality", choices=[(FLAGGED, _("all flagged ones")), *Quality.choices], label=_("quality")
    )
    source = _choice("source", Source.choices, _("source"))

    def of_quality(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.exclude(quality=Quality.VALID) if value == FLAGGED else rows.filter(quality=value)


class UsageFilters(TableFilters):
    moment = "day"
    by_day = True
    tier = django_filters.NumberFilter(field_name="tier", label=_("tier"))


class MeterFilters(TableFilters):
    meter_path = ""
    moment = "registered_at"
    status = _choice("status", MeterStatus.choices, _("status"))
    billing_model = _choice("billing_model", BillingModel.choices, _("billing model"))
    in_arrears = django_filters.BooleanFilter(field_name="account__in_arrears", label=_("in arrears"))

    def of_price(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """The price that the meter has, or had last."""
        return rows.filter(pk__in=_held(value, user=self.asker).filter(ends__isnull=True).values("meter"))


class AlarmFilters(TableFilters):
    moment = "last_at"
    state = _choice("state", AlarmState.choices, _("state"))
    type = _choice("type", AlarmType.choices, _("alarm type"))
    priority = _choice("priority", Priority.choices, _("priority"))


class CommandFilters(TableFilters):
    moment = "queued_at"
    state = _choice("state", CommandState.choices, _("state"))
    kind = _choice("kind", CommandKind.choices, _("kind"))
    origin = _choice("origin", Origin.choices, _("origin"))


FILTERS: dict[str, type[TableFilters]] = {
    "readings": ReadingFilters,
    "daily-usage": UsageFilters,
    "meters": MeterFilters,
    "alarms": AlarmFilters,
    "commands": CommandFilters,
}


def _held(code: str, *, user: User | AnonymousUser | None) -> QuerySet[MeterPrice]:
    """By the numbers of the prices, as elsewhere; of one of another company it is known at once that nobody has it."""
    prices = Price.objects.filter(code=code)
    mine = prices if user is None else within(prices, user=user, company="company")
    return MeterPrice.objects.filter(price__in=list(mine.values_list("pk", flat=True)))


def filtered(
    rows: QuerySet[Any], *, table: Table, asked: dict[str, str], user: User | AnonymousUser | None = None
) -> QuerySet[Any]:
    """`rows` of the table, which `user` may see, that `asked` leaves.

    Raises UnknownFilter, so that a slip never exports everything, and FilterInvalid.
    """
    filters = FILTERS[table.name]
    unknown = sorted(set(asked) - set(filters.base_filters))
    if unknown:
        raise UnknownFilter(unknown)
    chosen = filters(asked, queryset=rows)
    chosen.asker = user
    if not chosen.is_valid():
        raise FilterInvalid({name: [str(said) for said in problems] for name, problems in chosen.errors.items()})
    return chosen.qs
