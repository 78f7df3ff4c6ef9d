"""Alarms: whoever may handle them acknowledges and clears them. Thresholds are kept here."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from alarms.models import Alarm, AlarmOccurrence, AlarmState, AlarmThresholds, Because, Priority
from alarms.services import MoveRefused, acknowledge, clear
from meters.admin import OfMeterAdmin, numbered
from meters.models import Meter
from staff.acts import name_acts, put_on_record
from staff.admin_base import LargeTableAdmin, LinkedAdmin, LinkedFilter, ReadOnlyTable, link_column
from staff.permissions import HANDLE_ALARM

SHOWN_OCCURRENCES = 50
REASON_WIDTH = 200
PRIORITY_LABELS = {Priority.LOW: "info", Priority.MEDIUM: "warning", Priority.HIGH: "danger"}
STATE_LABELS = {AlarmState.OPEN: "warning", AlarmState.ACKNOWLEDGED: "info", AlarmState.CLEARED: "success"}


class ReasonForm(ActionForm):
    because = forms.CharField(
        label=_("Reason for clearing:"), max_length=REASON_WIDTH, required=False, widget=UnfoldAdminTextInputWidget
    )


class OccurrenceTable(ReadOnlyTable):
    """The latest ones; the link on the page leads to all of them."""

    model = AlarmOccurrence
    fields = ["at", "content", "priority", "source"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlarmOccurrence]:
        match = request.resolver_match
        of_alarm = AlarmOccurrence.objects.filter(alarm=match.kwargs.get("object_id") if match else None)
        latest = of_alarm.order_by("-id").values("pk")[:SHOWN_OCCURRENCES]
        return super().get_queryset(request).filter(pk__in=latest)


@admin.register(Alarm)
class AlarmAdmin(OfMeterAdmin):
    list_display = [
        "type",
        "meter_page",
        "content",
        "shown_priority",
        "shown_state",
        "occurrences",
        "last_at",
        "first_at",
    ]
    list_filter = [
        "state",
        "type",
        "priority",
        ("priority_differs", admin.BooleanFieldListFilter),
        "meter__company",
        ("meter", LinkedFilter),
    ]
    ordering = ["-id"]
    fieldsets: ClassVar[Any] = [
        (
            None,
            {
                "fields": [
                    ("type", "state"),
                    "meter",
                    "content",
                    ("priority", "occurrences"),
                    ("differs", "by_headend"),
                    ("first_at", "last_at"),
                    "linked_lists",
                ]
            },
        ),
        (
            _("What was done"),
            {
                "fields": [
                    ("acknowledged_at", "acknowledged_by"),
                    ("cleared_at", "cleared_by"),
                    "why_cleared",
                ]
            },
        ),
    ]
    inlines = [OccurrenceTable]
    action_form = ReasonForm
    actions = ["acknowledge_chosen", "clear_chosen"]

    @admin.display(description=_("cleared because"))
    def why_cleared(self, alarm: Alarm) -> str:
        return str(dict(Because.choices).get(alarm.cleared_because, alarm.cleared_because))

    def has_act_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(HANDLE_ALARM))

    @display(description=_("priority"), label=PRIORITY_LABELS)
    def shown_priority(self, alarm: Alarm) -> tuple[int, str]:
        return alarm.priority, alarm.get_priority_display()

    @display(description=_("state"), label=STATE_LABELS)
    def shown_state(self, alarm: Alarm) -> tuple[str, str]:
        return alarm.state, alarm.get_state_display()

    @admin.display(description=_("priority differs from the appendix"))
    def differs(self, alarm: Alarm) -> str:
        """Nothing for those that agree: a cross would look like something wrong."""
        return gettext("yes") if alarm.priority_differs else ""

    @admin.action(description=_("Acknowledge"), permissions=["act"])
    def acknowledge_chosen(self, request: HttpRequest, queryset: QuerySet[Alarm]) -> None:
        by, now = cast(User, request.user), timezone.now()
        moved = self._move_each(request, queryset, "acknowledge", lambda alarm: acknowledge(alarm, by=by, now=now))
        told = ngettext("%(count)d alarm is acknowledged.", "%(count)d alarms are acknowledged.", moved)
        self.message_user(request, told % {"count": moved})

    @admin.action(description=_("Clear"), permissions=["act"])
    def clear_chosen(self, request: HttpRequest, queryset: QuerySet[Alarm]) -> None:
        by, now = cast(User, request.user), timezone.now()
        said = request.POST.get("because", "").strip()[:REASON_WIDTH]
        because = said or Because.BY_STAFF.value
        moved = self._move_each(
            request, queryset, "clear", lambda alarm: clear(alarm, by=by, because=because, now=now), note=said
        )
        told = ngettext("%(count)d alarm is cleared.", "%(count)d alarms are cleared.", moved)
        self.message_user(request, told % {"count": moved})

    def _move_each(
        self, request: HttpRequest, alarms: QuerySet[Alarm], act: str, move: Callable[[Alarm], None], *, note: str = ""
    ) -> int:
        """How many moved, each on record; says how many could not."""
        moved = refused = 0
        for alarm in alarms.select_related("meter__company"):
            try:
                _move_on_record(alarm, act, move, by=cast(User, request.user), note=note)
            except MoveRefused:
                refused += 1
            else:
                moved += 1
        if refused:
            told = ngettext(
                "%(count)d alarm is left as it is: its state does not allow this.",
                "%(count)d alarms are left as they are: their state does not allow this.",
                refused,
            )
            self.message_user(request, told % {"count": refused}, messages.WARNING)
        return moved


@transaction.atomic
def _move_on_record(alarm: Alarm, act: str, move: Callable[[Alarm], None], *, by: User, note: str) -> None:
    # Locked, so that what the record calls "before" is what the act found.
    before = Alarm.objects.select_for_update().values_list("state", flat=True).get(pk=alarm.pk)
    move(alarm)
    put_on_record(
        by=by,
        act=f"alarm.{act}",
        target=alarm,
        company=alarm.meter.company,
        before={"state": before},
        after={"state": str(alarm.state)},
        note=note,
    )


name_acts({"alarm.acknowledge": _("acknowledge the alarm"), "alarm.clear": _("clear the alarm")})


@admin.register(AlarmOccurrence)
class AlarmOccurrenceAdmin(LargeTableAdmin):
    company_path = "alarm__meter__company"
    list_display = ["at", "alarm_page", "content", "priority", "source"]
    list_select_related = ["alarm__meter"]
    list_filter = ["source", ("alarm", LinkedFilter)]
    search_fields = ["alarm__meter__meter_no", "alarm__meter__user_no", "alarm__meter__device_id"]
    search_help_text = OfMeterAdmin.search_help_text
    ordering = ["-id"]
    fields = ["alarm", "at", "content", "priority", "source"]
    alarm_page = staticmethod(link_column("alarm", _("alarm")))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the alarms of the meters that have this whole number, like OfMeterAdmin."""
        if not search_term:
            return queryset, False
        alarms = Alarm.objects.filter(meter__in=Meter.objects.filter(numbered(search_term.strip())))
        return queryset.filter(alarm__in=list(alarms.values_list("pk", flat=True))), False


@admin.register(AlarmThresholds)
class AlarmThresholdsAdmin(LinkedAdmin):
    company_path = "manufacturer__prices__company"
    shared = True
    list_display = ["manufacturer", "silent_days", "battery_volts"]
    list_select_related = ["manufacturer"]
    search_fields = ["manufacturer__factor_no", "manufacturer__name"]
    search_help_text = _("Manufacturer code or name")
    fields = ["manufacturer", "silent_days", "battery_volts"]

    def get_readonly_fields(self, request: HttpRequest, obj: AlarmThresholds | None = None) -> list[str]:
        return [] if obj is None else ["manufacturer"]
