"""The form of a peer: its secret goes in and never comes out."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from protocol.models import Peer, PeerKind


class PeerForm(forms.ModelForm):
    # Of who does not see all companies: a head-end that lists none speaks for them all.
    names_companies: ClassVar[bool] = False

    secret = forms.CharField(
        label=_("App secret"),
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 40}),
        help_text=_("Agreed with the peer; it is never shown again."),
    )

    class Meta:
        model = Peer
        fields = ["kind", "name", "app_code", "url", "is_active", "allowed_addresses", "companies", "manufacturers"]
        help_texts = {
            "allowed_addresses": _(
                "IP addresses or networks this peer may call from, separated by commas; empty allows any."
            )
        }
        widgets = {"allowed_addresses": forms.TextInput(attrs={"size": 60})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "secret" in self.fields:
            secret = self.fields["secret"]
            secret.label, secret.required = _("New secret"), False
            secret.help_text = _("Leave empty to keep the secret.")

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
        if self.cleaned_data.get("secret"):
            self.instance.app_secret = self.cleaned_data["secret"]
        return super().save(commit)
