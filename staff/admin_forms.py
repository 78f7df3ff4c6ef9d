"""The form of a peer: its secret goes in and never comes out."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from protocol.models import Peer, PeerKind
from protocol.parties import new_secret

LONGEST_OVERLAP = timedelta(days=30)


class PeerForm(forms.ModelForm):
    # Of who does not see all companies: a head-end that lists none speaks for them all.
    names_companies: ClassVar[bool] = False

    secret = forms.CharField(
        label=_("App secret"),
        max_length=128,
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Leave empty to have one made: it is shown once. One agreed with the peer is never shown again."),
    )
    made_secret = ""

    class Meta:
        model = Peer
        fields = [
            *("kind", "name", "app_code", "url", "is_active", "allowed_addresses"),
            *("max_concurrency", "max_per_second", "companies", "manufacturers"),
        ]
        help_texts = {
            "allowed_addresses": _(
                "IP addresses or networks this peer may call from, separated by commas; empty allows any."
            )
        }
        widgets = {"allowed_addresses": UnfoldAdminTextInputWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._explain("max_concurrency", str(settings.OUTBOX_PEER_CONCURRENCY))
        self._explain("max_per_second", str(settings.OUTBOX_PEER_RATE or _("no limit")))

    def _explain(self, name: str, setting: str) -> None:
        """What holds when a limit is left empty; who may only look has no such field."""
        if name in self.fields:
            text = _("Over all senders together, from the next message on. Empty: the platform's setting (%s).")
            self.fields[name].help_text = text % setting

    def clean(self) -> dict[str, Any]:
        """A peer without the scope that its kind is tied to could say nothing (R1)."""
        data = super().clean() or self.cleaned_data
        kind = data.get("kind", self.instance.kind)
        if kind == PeerKind.CIS and not data.get("companies"):
            self.add_error("companies", _("A CIS serves at least one company."))
        if kind == PeerKind.HEADEND and self.names_companies and not data.get("companies"):
            self.add_error("companies", _("Name at least one company: without any it would speak for all."))
        if kind == PeerKind.HEADEND and not data.get("manufacturers"):
            self.add_error("manufacturers", _("A head-end serves at least one manufacturer."))
        return data

    def save(self, commit: bool = True) -> Peer:
        if self.instance.pk is None:
            entered = self.cleaned_data.get("secret", "")
            self.made_secret = "" if entered else new_secret()
            self.instance.app_secret = entered or self.made_secret
        return super().save(commit)


class PauseForm(forms.Form):
    reason = forms.CharField(label=_("reason"), max_length=200, widget=UnfoldAdminTextInputWidget)


class RotateForm(forms.Form):
    """`page_of` ties the page to the secret that it was opened for: sent twice, it makes one."""

    until = forms.DateTimeField(
        label=_("the old secret is accepted until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "class": "das-input"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("Empty: from now on it is not accepted any more. At most 30 days."),
    )
    page_of = forms.CharField(widget=forms.HiddenInput)

    def clean_until(self) -> datetime | None:
        until, now = self.cleaned_data["until"], timezone.now()
        if until is not None and not now < until <= now + LONGEST_OVERLAP:
            raise forms.ValidationError(_("Choose a time within the next 30 days."))
        return until
