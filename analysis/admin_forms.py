"""The forms with which staff ask for an export, and for a token."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from analysis.copying import Shape
from analysis.files import Form
from analysis.models import ExportJob
from analysis.parquet import available
from analysis.tables import TABLES

NAMES = "names"


class ExportForm(forms.ModelForm):
    """`table`, and `asked` as it came from a list; the rest is how the file shall look."""

    token = forms.CharField(widget=forms.HiddenInput, required=False)
    asked = forms.JSONField(widget=forms.HiddenInput, required=False, initial=dict)
    table = forms.ChoiceField(label=_("table"), widget=UnfoldAdminSelectWidget)
    form = forms.ChoiceField(label=_("format"), widget=UnfoldAdminSelectWidget)
    language = forms.ChoiceField(label=_("headers and words"), widget=UnfoldAdminSelectWidget)
    local_times = forms.BooleanField(
        label=_("local times instead of ISO"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    bom = forms.BooleanField(
        label=_("byte order mark (for Excel)"), required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    gzip = forms.BooleanField(label=_("packed (gzip)"), required=False, widget=UnfoldBooleanSwitchWidget)

    class Meta:
        model = ExportJob
        fields = ("table", "form")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        formats = [(Form.CSV.value, "CSV"), *([(Form.PARQUET.value, "Parquet")] if available() else [])]
        languages = [*settings.LANGUAGES, (NAMES, _("stable English names"))]
        choices: dict[str, Any] = {
            "table": [(table.name, table.model._meta.verbose_name_plural) for table in TABLES.values()],
            "form": formats,
            "language": languages,
        }
        for name, offered in choices.items():
            field: Any = self.fields[name]
            field.choices = offered
        self.fields["language"].initial = get_language()

    @property
    def shape(self) -> Shape:
        data = self.cleaned_data
        language = None if data["language"] == NAMES else data["language"]
        return Shape(language=language, local_times=data["local_times"], bom=data["bom"], gzip=data["gzip"])

    def clean_asked(self) -> dict[str, Any]:
        """Nothing stands for everything, and whatever else is not understood for nothing."""
        asked = self.cleaned_data["asked"]
        if not isinstance(asked, dict):
            raise forms.ValidationError(_("Which rows are meant is not clear. Please begin again at the list."))
        return asked

    @property
    def rows(self) -> dict[str, Any]:
        return dict(self.cleaned_data["asked"])
