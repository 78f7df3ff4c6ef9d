"""The forms of what staff do to a meter, and in words what each will do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from commands.models import WAITING, Command, CommandKind
from meters.models import Account, Meter, MeterType, ValveState
from pricing.models import Price
from protocol.outbox import headend_of
from readings.figures import current_price
from readings.life_serializers import REASON_WIDTH
from staff.acts import name_acts
from staff.permissions import CHANGE_METER_PRICE, DEREGISTER_METER, RECHARGE, REPLACE_METER, SEND_VALVE_COMMAND


class ActForm(forms.Form):
    note = forms.CharField(label=_("note for the record"), max_length=200, required=False)

    def __init__(self, *args: Any, meter: Meter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.meter = meter
        for field in self.fields.values():
            widget = UnfoldAdminTextInputWidget()
            if isinstance(field, forms.DecimalField):
                widget = UnfoldAdminDecimalFieldWidget()
            elif isinstance(field, forms.ChoiceField):
                widget = UnfoldAdminSelectWidget(choices=field.choices)
            widget.is_required = field.required
            field.widget = widget
        self.order_fields([*(name for name in self.fields if name != "note"), "note"])


def index_field(label: Any) -> forms.DecimalField:
    return forms.DecimalField(label=label, min_value=0, max_digits=14, decimal_places=4)


class RechargeForm(ActForm):
    amount = forms.DecimalField(label=_("amount (CNY)"), max_digits=14, decimal_places=4, min_value=0)

    def clean_amount(self) -> Any:
        if not self.cleaned_data["amount"]:
            raise forms.ValidationError(_("The amount must be more than 0."))
        return self.cleaned_data["amount"]


class PriceForm(ActForm):
    price = forms.ModelChoiceField(label=_("new price"), queryset=Price.objects.none())

    def __init__(self, *args: Any, meter: Meter, **kwargs: Any) -> None:
        super().__init__(*args, meter=meter, **kwargs)
        field: Any = self.fields["price"]
        mine = Price.objects.filter(company=meter.company_id, manufacturer=meter.manufacturer_id)
        field.queryset = mine.exclude(pk=current_price(meter).pk).order_by("code")
        field.widget.choices = field.choices


class ReplaceForm(ActForm):
    closing_index = index_field(_("closing index of the old meter (m³)"))
    meter_no = forms.RegexField(r"^\d{12}$", label=_("number of the new meter (12 digits)"))
    meter_type = forms.ChoiceField(label=_("type of the new meter"), choices=MeterType.choices)
    comm_no = forms.CharField(label=_("communication number of the new meter"), max_length=64, required=False)
    opening_index = index_field(_("opening index of the new meter (m³)"))


class DeregisterForm(ActForm):
    closing_index = index_field(_("closing index (m³)"))
    # Half of what 1002 may hold, since it counts a Chinese character for two.
    reason = forms.CharField(label=_("reason of the end"), max_length=REASON_WIDTH // 2)


Says = Callable[[Meter, dict[str, Any], datetime], list[str]]


def says_open(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    said = [gettext("The meter is asked to open its valve."), *_valve(meter, ValveState.OPEN, now)]
    if meter.account.in_arrears:
        said.append(gettext("The account is in arrears: the platform closes the valve again on another day."))
    return said


def says_close(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    return [
        gettext("The meter is asked to close its valve: the customer is without gas."),
        *_valve(meter, "closed", now),
    ]


def _valve(meter: Meter, wish: str, now: datetime) -> list[str]:
    said = [_route(meter), _until(now)]
    waiting = list(Command.objects.filter(meter=meter, kind=CommandKind.VALVE, state="queued"))
    code = "0" if wish == ValveState.OPEN else "1"
    if any(command.payload["valveSet"] != code for command in waiting):
        said.append(gettext("A waiting valve command to the contrary is cancelled."))
    if meter.state.valve == wish:
        said.append(gettext("By its last report the valve is so already."))
    return said


def _route(meter: Meter) -> str:
    headend = headend_of(meter.manufacturer, meter.company)
    if headend is None:
        return gettext("The manufacturer has no head-end: the meter gets it in the answer to its next report.")
    in_flight = Command.objects.filter(meter=meter, state__in=WAITING).exists()
    if in_flight:
        return gettext("It goes to the head-end %(name)s after the commands that wait before it.") % {
            "name": headend.name
        }
    return gettext("It goes to the head-end %(name)s at once.") % {"name": headend.name}


def _until(now: datetime) -> str:
    until = timezone.localtime(now + timedelta(hours=settings.COMMAND_LIFE_HOURS))
    return gettext("If it is not done by %(until)s it expires.") % {"until": localize(until)}


def says_recharge(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    amount, account = data["amount"], meter.account
    if not account.kept_here:
        keeper = gettext(
            "The platform does not keep the money of this meter: the recharge of %(amount)s CNY is sent to it."
        )
        return [keeper % {"amount": amount}, _route(meter), _until(now)]
    before, after = account.balance, account.balance + amount
    credited = gettext("%(amount)s CNY are credited at once: the balance goes from %(before)s to %(after)s CNY.")
    said = [credited % {"amount": amount, "before": before, "after": after}]
    if account.in_arrears and after + (account.overdraft_limit or 0) > 0:
        said.append(gettext("The arrears are over: if the valve was closed for them, it is asked to open."))
    elif account.in_arrears:
        said.append(gettext("That does not end the arrears."))
    said.append(gettext("The CIS is not told of this recharge."))
    return said


def says_price(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    changed = gettext("From today on the price is %(new)s instead of %(old)s; days before today keep theirs.")
    told = {"new": data["price"].code, "old": current_price(meter).code}
    return [
        changed % told,
        _headend_told(meter, "1008"),
        gettext("The CIS is not told: it must know the new price itself."),
    ]


def says_replace(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    goes_on = gettext(
        "Meter %(no)s takes its place at index %(index)s m³, with the customer, price, balance and cycle."
    )
    told = {"no": data["meter_no"], "index": data["opening_index"]}
    return [*_ends(meter, data, now), goes_on % told, _headend_told(meter, "1009"), _cis_untold()]


def says_deregister(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    free = gettext("Its numbers are free for another registration. This cannot be taken back.")
    return [*_ends(meter, data, now), free, _headend_told(meter, "1002"), _cis_untold()]


def _ends(meter: Meter, data: dict[str, Any], now: datetime) -> list[str]:
    account: Account = meter.account
    ends = gettext("Meter %(no)s ends today with the closing index %(index)s m³.")
    settled = gettext("Its days from %(first)s to %(last)s are settled; the last valid reading was %(read)s m³.")
    last = meter.initial_index if meter.state.index is None else meter.state.index
    days = {"first": localize(account.unsettled_from), "last": localize(timezone.localdate(now)), "read": last}
    waiting = Command.objects.filter(meter=meter, state__in=WAITING).count()
    cancelled = ngettext("%(n)d waiting command is cancelled.", "%(n)d waiting commands are cancelled.", waiting)
    open_alarms = gettext("Its alarms are cleared.")
    return [
        ends % {"no": meter.meter_no, "index": data["closing_index"]},
        settled % days,
        cancelled % {"n": waiting},
        open_alarms,
    ]


def _headend_told(meter: Meter, code: str) -> str:
    headend = headend_of(meter.manufacturer, meter.company)
    if headend is None:
        return gettext("The manufacturer has no head-end that could be told.")
    return gettext("The head-end %(name)s is told (%(code)s).") % {"name": headend.name, "code": code}


def _cis_untold() -> str:
    return gettext("The CIS is not told: it must end or replace the meter in its own books.")


@dataclass(frozen=True, slots=True)
class ActPage:
    """How an act shows: its button, the permission it asks for, its form, its words."""

    label: Any
    permission: str
    form: type[ActForm]
    says: Says
    dangerous: bool = False


PAGES: Final[dict[str, ActPage]] = {
    "open": ActPage(_("Open the valve"), SEND_VALVE_COMMAND, ActForm, says_open),
    "close": ActPage(_("Close the valve"), SEND_VALVE_COMMAND, ActForm, says_close, dangerous=True),
    "recharge": ActPage(_("Recharge"), RECHARGE, RechargeForm, says_recharge),
    "price": ActPage(_("Change the price"), CHANGE_METER_PRICE, PriceForm, says_price),
    "replace": ActPage(_("Replace the meter"), REPLACE_METER, ReplaceForm, says_replace, dangerous=True),
    "deregister": ActPage(_("Deregister"), DEREGISTER_METER, DeregisterForm, says_deregister, dangerous=True),
}
name_acts({f"meter.{act}": page.label for act, page in PAGES.items()})
