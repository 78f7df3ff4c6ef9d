"""The form in which staff ask a meter for something."""

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commands.kinds import KINDS, VALVE_CODES
from commands.models import Command, CommandKind, Origin
from commands.queue import Request, submit
from meters.models import ValveState
from protocol.errors import Refused
from protocol.wire import decimal_text

VALVE_CHOICES = [
    (VALVE_CODES[ValveState.OPEN], _("open the valve")),
    (VALVE_CODES[ValveState.CLOSED], _("close the valve")),
]


class StaffCommandForm(forms.ModelForm):
    """A valve command, or a recharge with an amount in CNY. Saving it submits it, with the staff member on record."""

    kinds_allowed: ClassVar[Sequence[CommandKind]] = tuple(CommandKind)

    valve = forms.ChoiceField(label=_("valve"), choices=[("", "---------"), *VALVE_CHOICES], required=False)
    amount = forms.DecimalField(label=_("amount (CNY)"), min_value=0, max_digits=14, decimal_places=4, required=False)
    # Made with the page: sending the same page twice credits once (R12).
    stream = forms.CharField(
        label=_("recharge stream"), max_length=64, initial=lambda: uuid.uuid4().hex, required=False
    )

    class Meta:
        model = Command
        fields = ("meter", "kind")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            kind = cast(forms.ChoiceField, self.fields["kind"])
            kind.choices = [(kind.value, kind.label) for kind in self.kinds_allowed]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == CommandKind.VALVE:
            data = {"valveSet": cleaned.get("valve")}
        else:
            data = {
                "rechargeAmount": decimal_text(cleaned.get("amount"), missing=""),
                "rechargeStream": cleaned.get("stream"),
            }
        try:
            self.payload = KINDS[cleaned.get("kind", CommandKind.VALVE)].parse({"data": data})
        except Refused as refusal:
            raise ValidationError(refusal.message) from None
        return cleaned

    def submit(self, *, by: User) -> Command:
        """Raises what `commands.queue.submit` raises."""
        request = Request(
            kind=CommandKind(self.cleaned_data["kind"]),
            payload=self.payload,
            origin=Origin.STAFF,
            requested_by=by,
        )
        return submit(self.cleaned_data["meter"], request, now=timezone.now())
