"""Meters and all that is known of one. They come over the interface (1001); here they are read."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from meters.models import (
    Account,
    AccountEntry,
    BillingModel,
    EntryKind,
    Meter,
    MeterPrice,
    MeterState,
    MeterStatus,
    ValveState,
)
from meters.search import beginning_with, containing, numbered_exactly
from meters.words import end_reason_words
from protocol.models import OutboundMessage
from protocol.wire import decimal_text
from staff.admin_base import (
    LargeTableAdmin,
    LinkedFilter,
    ReadOnlyStack,
    ReadOnlyTable,
    link_column,
    list_url,
)

VALVE_LABELS = {ValveState.OPEN: "success", ValveState.CLOSED: "warning"}
# Fields in a tuple share a line.
LATEST = [("read_at", "index"), ("reported_at", "valve"), ("battery_voltage", "signal_percent", "temperature")]
BY_THE_METER = [("reported_price", "reported_balance"), ("reported_volume", "reported_amount")]
BY_THE_CIS = [("cis_valve_control", "cis_price", "cis_remaining"), ("cis_answered_at", "cis_asked_at")]
RECHARGES = [("recharged", "recharge_count"), ("last_recharge", "last_recharged_at")]
MONEY = [("balance", "credited", "in_arrears"), ("kept_here", "overdraft_limit")]
SETTLED = [("settled_through", "unsettled_from", "closes_on"), ("settled_index", "settled_volume", "settled_amount")]
CYCLE = [("cycle_start", "cycle_volume", "is_heir")]


def numbered(number: str) -> Q:
    """The meters, ended ones too, that have exactly this meter or user number; or this device id now."""
    return Q(meter_no=number) | Q(user_no=number) | Q(device_id=number, status=MeterStatus.ACTIVE)


class StateStack(ReadOnlyStack):
    model = MeterState
    fieldsets: ClassVar[Any] = [
        (None, {"fields": LATEST}),
        (_("Reported by the meter"), {"fields": BY_THE_METER}),
        (_("Answered by the CIS"), {"fields": BY_THE_CIS}),
        (_("Recharges"), {"fields": RECHARGES}),
    ]


class AccountStack(ReadOnlyStack):
    model = Account
    fieldsets: ClassVar[Any] = [(None, {"fields": MONEY + SETTLED + CYCLE})]


class MeterPriceTable(ReadOnlyTable):
    model = MeterPrice
    fields = ["price", "starts", "ends"]


@admin.register(Meter)
class MeterAdmin(LargeTableAdmin):
    company_path = "company"
    list_display = [
        "meter_no",
        "user_no",
        "user_name",
        "latest_index",
        "latest_read_at",
        "valve",
        "shown_balance",
        "status",
        "company_name",
    ]
    list_select_related = ["company", "state"]
    list_filter = ["status", "company", "manufacturer", "state__valve", "meter_type", "billing_model", "customer_type"]
    search_fields = ["meter_no", "user_no", "user_name", "address", "device_id", "phone"]
    search_help_text = _("A whole number, phone or device id; the beginning of a number; or parts of name and address")
    ordering = ["-id"]
    sortable_by = ["meter_no", "user_no"]
    fieldsets: ClassVar[Any] = [
        (
            None,
            {
                "fields": [
                    ("meter_no", "device_id", "comm_no"),
                    ("meter_type", "manufacturer", "status"),
                    "linked_lists",
                ]
            },
        ),
        (_("Customer"), {"fields": [("company", "user_no", "user_name"), ("customer_type", "phone", "address")]}),
        (_("Billing"), {"fields": [("billing_model", "pay_mode"), ("shown_balance", "overdraft")]}),
        (
            _("Life"),
            {
                "fields": [
                    ("registered_at", "initial_index", "initial_cycle_volume"),
                    ("ended_at", "closing_index", "why_ended"),
                    ("replaces", "replaced_by_page", "created_at"),
                ]
            },
        ),
    ]
    inlines = [StateStack, AccountStack, MeterPriceTable]
    replaced_by_page = staticmethod(link_column("replaced_by", _("replaced by")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the balance by who keeps the money (R11)."""
        balance = Case(
            When(billing_model=BillingModel.METER, then=F("state__reported_balance")),
            When(billing_model=BillingModel.CIS, then=F("state__cis_remaining")),
            default=F("account__balance"),
        )
        return super().get_queryset(request).annotate(balance_now=balance)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole number, else the beginning of one, else parts of name and address: each through an index."""
        if not search_term.strip():
            return queryset, False
        for find in (numbered_exactly, beginning_with):
            found = find(queryset, search_term)
            if found.exists():
                return found, False
        return containing(queryset, search_term), False

    def extra_lists(self, obj: Meter) -> Iterable[tuple[str, str]]:
        return [(str(_("Outbound messages")), list_url(OutboundMessage, lane=obj.pk))]

    @admin.display(description=_("reason of the end"))
    def why_ended(self, meter: Meter) -> str:
        return end_reason_words(meter.end_reason)

    @display(description=_("valve"), label=VALVE_LABELS)
    def valve(self, meter: Meter) -> tuple[str, str]:
        return meter.state.valve, meter.state.get_valve_display()

    @admin.display(description=_("index (m³)"))
    def latest_index(self, meter: Meter) -> Decimal | None:
        return meter.state.index

    @admin.display(description=_("read at"))
    def latest_read_at(self, meter: Meter) -> datetime | None:
        return meter.state.read_at

    @admin.display(description=_("company"))
    def company_name(self, meter: Meter) -> str:
        return meter.company.name

    @admin.display(description=_("balance (CNY)"))
    def shown_balance(self, meter: Any) -> Decimal | None:
        return meter.balance_now


class OfMeterAdmin(LargeTableAdmin):
    """Rows of meters, found by a whole number of their meter."""

    company_path = "meter__company"
    list_select_related = ["meter"]
    search_fields = ["meter__meter_no", "meter__user_no", "meter__device_id"]
    search_help_text = _("A whole meter number, user number or device id")
    meter_page = staticmethod(link_column("meter", _("meter")))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        meters = Meter.objects.filter(numbered(search_term.strip())).values_list("pk", flat=True)
        # As a list: the planner then takes the rows of these meters by their index, whatever the order of the list.
        return queryset.filter(meter__in=list(meters)), False


@admin.register(MeterState)
class MeterStateAdmin(OfMeterAdmin):
    list_display = ["meter", "read_at", "index", "shown_valve", "battery", "signal", "reported_at"]
    list_filter = ["valve", ("meter", LinkedFilter)]
    ordering = ["-meter"]
    fieldsets: ClassVar[Any] = [(None, {"fields": ["meter", *LATEST]}), *StateStack.fieldsets[1:]]

    @display(description=_("valve"), label=VALVE_LABELS)
    def shown_valve(self, state: MeterState) -> tuple[str, str]:
        return state.valve, state.get_valve_display()

    @admin.display(description=_("battery (V)"))
    def battery(self, state: MeterState) -> str | None:
        return None if state.battery_voltage is None else decimal_text(state.battery_voltage)

    @admin.display(description=_("signal (%)"))
    def signal(self, state: MeterState) -> str | None:
        return None if state.signal_percent is None else decimal_text(state.signal_percent)


@admin.register(Account)
class AccountAdmin(OfMeterAdmin):
    list_display = [
        "meter",
        "balance",
        "credited",
        "settled_amount",
        "settled_volume",
        "settled_through",
        "unsettled_from",
        "in_arrears",
    ]
    list_filter = ["in_arrears", ("meter", LinkedFilter)]
    ordering = ["-meter"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["meter", *MONEY]}),
        (_("Settlement"), {"fields": SETTLED}),
        (_("Price cycle"), {"fields": CYCLE}),
    ]


@admin.register(MeterPrice)
class MeterPriceAdmin(OfMeterAdmin):
    list_display = ["meter", "price_page", "starts", "ends"]
    list_select_related = ["meter", "price"]
    list_filter = [("price", LinkedFilter), ("meter", LinkedFilter)]
    ordering = ["-id"]
    fields = ["meter", "price", "starts", "ends"]
    price_page = staticmethod(link_column("price", _("price")))


@admin.register(AccountEntry)
class AccountEntryAdmin(OfMeterAdmin):
    list_display = ["created_at", "meter_page", "kind", "amount", "old_amount", "new_amount", "day", "reference"]
    list_filter = ["kind", ("meter", LinkedFilter)]
    fields = ["meter", "kind", "amount", "day", ("old_amount", "new_amount"), "reference", "created_at"]

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        """Of each meter the newest first; of a kind that is rare the newest of all: each in the order of an index."""
        rare = request.GET.get("kind__exact", EntryKind.SETTLEMENT) != EntryKind.SETTLEMENT
        return ["-id"] if rare else ["-meter_id", "-id"]
