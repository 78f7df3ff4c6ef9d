"""What analysts read: five tables, their columns, their order, and the way from a row to its company."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Case, F, Model, QuerySet, When
from django.utils.translation import gettext_lazy as _

from alarms.models import Alarm, Because
from analysis.columns import Column, Kind, column
from commands.models import Command
from meters.models import BillingModel, Meter
from readings.models import DailyUsage, Reading
from staff.scope import within


@dataclass(frozen=True)
class Table:
    """`key` orders the rows: unique together, and the columns of an index in their order."""

    name: str
    model: type[Model]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    company: str

    def rows(self, *, user: User | AnonymousUser | None) -> QuerySet[Any]:
        """What `user` may see; everything without one (the command line)."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows if user is None else within(rows, user=user, company=self.company)


def _of_meter(model: type[Model], meter: str = "meter__") -> list[Column]:
    return [
        column(model, f"{meter}company__code", "company"),
        column(model, f"{meter}manufacturer__factor_no", "manufacturer"),
        column(model, f"{meter}meter_no"),
        column(model, f"{meter}user_no"),
        column(model, f"{meter}device_id"),
    ]


def _fields(model: type[Model], *names: str) -> list[Column]:
    return [column(model, name) for name in names]


_METER: Final = partial(column, Meter)
# By who keeps the money (R11).
_BALANCE: Final = Column(
    "balance",
    _("balance (CNY)"),
    Case(
        When(billing_model=BillingModel.METER, then=F("state__reported_balance")),
        When(billing_model=BillingModel.CIS, then=F("state__cis_remaining")),
        default=F("account__balance"),
    ),
    Kind.NUMBER,
)

READINGS: Final = Table(
    "readings",
    Reading,
    (
        *_of_meter(Reading),
        *_fields(Reading, "read_at", "index", "quality", "source", "received_at", "valve"),
        *_fields(Reading, "battery_voltage", "signal_percent", "temperature"),
        *_fields(Reading, "standard_total", "working_total", "standard_flow", "working_flow", "pressure"),
        *_fields(Reading, "reported_price", "reported_balance", "reported_volume", "reported_amount"),
    ),
    ("meter_id", "read_at", "index"),
    "meter__company",
)
DAILY_USAGE: Final = Table(
    "daily-usage",
    DailyUsage,
    (*_of_meter(DailyUsage), *_fields(DailyUsage, "day", "tier", "volume", "unit_price", "amount")),
    ("meter_id", "day", "tier"),
    "meter__company",
)
METERS: Final = Table(
    "meters",
    Meter,
    (
        *_of_meter(Meter, ""),
        *_fields(Meter, "comm_no", "meter_type", "user_name", "address", "phone", "customer_type"),
        *_fields(Meter, "billing_model", "pay_mode", "status", "registered_at", "initial_index"),
        *_fields(Meter, "ended_at", "closing_index"),
        _METER("state__read_at"),
        _METER("state__index"),
        _METER("state__valve"),
        _METER("account__settled_through"),
        _METER("account__settled_volume"),
        _METER("account__settled_amount"),
        _BALANCE,
        _METER("account__in_arrears"),
    ),
    ("id",),
    "company",
)
ALARMS: Final = Table(
    "alarms",
    Alarm,
    (
        *_fields(Alarm, "id"),
        *_of_meter(Alarm),
        *_fields(Alarm, "type", "priority", "content", "state", "occurrences", "first_at", "last_at", "by_headend"),
        *_fields(Alarm, "acknowledged_at", "cleared_at"),
        replace(column(Alarm, "cleared_because"), choices=tuple(Because.choices)),
    ),
    ("id",),
    "meter__company",
)
COMMANDS: Final = Table(
    "commands",
    Command,
    (
        *_fields(Command, "id"),
        *_of_meter(Command),
        *_fields(Command, "kind", "payload", "reference", "state", "origin"),
        column(Command, "replay_of_id", "replay_of"),
        *_fields(Command, "queued_at", "expires_at", "sent_at", "finished_at"),
    ),
    ("id",),
    "meter__company",
)
TABLES: Final = {table.name: table for table in (READINGS, DAILY_USAGE, METERS, ALARMS, COMMANDS)}
