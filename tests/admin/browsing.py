"""Which pages the admin has, and what the tests look at on them."""

from collections.abc import Iterator

from django.test import Client
from django.urls import reverse

from alarms.models import Alarm, AlarmOccurrence, AlarmThresholds
from analysis.models import ApiToken, ExportJob
from commands.models import BulkCommand, BulkRow, Command, CommandEvent
from meters.models import Account, AccountEntry, Meter, MeterPrice, MeterState
from office.models import DayFigures, FleetFigures, HourFigures
from pricing.models import Price, PriceTier, PriceVersion
from protocol.models import (
    Company,
    InboundMessage,
    InboundSerial,
    Manufacturer,
    OutboundAttempt,
    OutboundLane,
    OutboundMessage,
    Peer,
    PeerHealth,
)
from readings.models import DailyUsage, Reading, ReadingReview
from staff import admin_base
from tests.admin.rows import make_person

EDITABLE = [Company, Manufacturer, Peer, AlarmThresholds, ApiToken]
# Rows of these can be asked for, and are read-only from then on.
ASKED = [ExportJob]
# Without pages: what is spent, what is being sent, and what was counted ahead.
INTERNAL = [InboundSerial, OutboundLane, FleetFigures, DayFigures, HourFigures]
READ_ONLY = [
    PeerHealth,
    InboundMessage,
    OutboundMessage,
    OutboundAttempt,
    Price,
    PriceVersion,
    PriceTier,
    Meter,
    MeterState,
    Account,
    AccountEntry,
    MeterPrice,
    Reading,
    DailyUsage,
    ReadingReview,
    Alarm,
    AlarmOccurrence,
    Command,
    CommandEvent,
    BulkCommand,
    BulkRow,
    ExportJob,
]
LARGE = [
    InboundMessage,
    OutboundMessage,
    OutboundAttempt,
    Meter,
    MeterState,
    Account,
    AccountEntry,
    MeterPrice,
    Reading,
    DailyUsage,
    ReadingReview,
    Alarm,
    AlarmOccurrence,
    Command,
    CommandEvent,
    BulkCommand,
    BulkRow,
]
SEARCHES = {
    Company: "10001",
    Manufacturer: "0030",
    Peer: "cis-1",
    PeerHealth: "cis-1",
    InboundMessage: "in-1",
    OutboundMessage: "out-1",
    OutboundAttempt: "out-1",
    Price: "居民价",
    PriceVersion: "居民价",
    PriceTier: "居民价",
    Meter: "000000000001",
    MeterState: "U000001",
    Account: "U000001",
    AccountEntry: "U000001",
    MeterPrice: "D000001",
    Reading: "000000000001",
    DailyUsage: "U000001",
    ReadingReview: "U000001",
    Alarm: "000000000001",
    AlarmOccurrence: "U000001",
    AlarmThresholds: "0030",
    Command: "000000000001",
    CommandEvent: "000000000001",
    BulkCommand: "clerk-1",
    BulkRow: "000000000001",
    ExportJob: "ana-1",
    ApiToken: "notebook-1",
}
ROOMS = {"protocol", "pricing", "meters", "commands", "alarms", "readings", "analysis", "office"}
LIMIT = f"LIMIT {admin_base.COUNT_CAP + 1}"
LANGUAGES = ["zh-hans", "en"]


def page(model, what: str, *args) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def sign_in(client: Client, *, language: str = "zh-hans", person=None) -> Client:
    client.force_login(person or make_person())
    client.cookies["django_language"] = language
    return client


def busy(model):
    """A row that others refer to."""
    return next(row for row in model.objects.order_by("pk") if "idle" not in str(row))


def counts_of(model, queries) -> list[str]:
    return [q["sql"] for q in queries if "COUNT(" in q["sql"] and model._meta.db_table in q["sql"]]


def filter_queries(response, *, every: bool) -> Iterator[str]:
    """The links of each filter of a list: every choice, or the last one."""
    changelist = response.context["cl"]
    for spec in changelist.filter_specs:
        choices = list(spec.choices(changelist))
        for choice in choices if every else choices[-1:]:
            yield choice["query_string"]
