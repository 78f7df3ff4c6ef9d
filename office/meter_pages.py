"""Asking for something of one meter: the form, then in words what will happen, then the act, once."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext

from meters.admin import MeterAdmin
from meters.models import Meter, MeterStatus
from office.meter_acts import perform, purpose_of
from office.meter_forms import PAGES, ActForm, ActPage
from protocol.errors import ProtocolError
from staff.once import PageInvalid, PageSent, new_token

# What the meter has to do first: nobody should take it for done.
ASKS_THE_METER = ("open", "close")


class MeterActs(MeterAdmin):
    """The pages of what may be done to a meter, for the admin of meters."""

    def act_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.act_view)
        return [path("<int:pk>/ask/<slug:act>/", view, name="office_meter_act")]

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        if act not in PAGES:
            raise Http404
        page = PAGES[act]
        meter = self._allowed(request, pk, page)
        form = page.form(request.POST or None, meter=meter)
        if request.method != "POST":
            # Nothing to fill in but a note: the words come first.
            if set(form.fields) == {"note"}:
                return self._confirmation(request, act, page.form({"note": ""}, meter=meter))
            return self._page(request, act, form)
        if "token" not in request.POST:
            return self._confirmation(request, act, form) if form.is_valid() else self._page(request, act, form)
        if not form.is_valid():
            return self._page(request, act, form)
        self._perform(request, act, form)
        return HttpResponseRedirect(_meter_page(meter))

    def _allowed(self, request: HttpRequest, pk: int, page: ActPage) -> Meter:
        meter = self.get_object(request, str(pk))
        if meter is None:
            raise Http404
        if not self.has_view_permission(request, meter) or not request.user.has_perm(page.permission):
            raise PermissionDenied
        if meter.status != MeterStatus.ACTIVE:
            raise PermissionDenied
        return cast(Meter, meter)

    def _perform(self, request: HttpRequest, act: str, form: ActForm) -> None:
        by = cast(User, request.user)
        token = request.POST["token"]
        try:
            perform(act, form.meter, token=token, data=form.cleaned_data, by=by, now=timezone.now())
        except PageSent as sent:
            self.message_user(request, sent.words, messages.WARNING)
        except PageInvalid as invalid:
            self.message_user(request, invalid.words, messages.ERROR)
        except ProtocolError as refusal:
            told = gettext("Nothing was done: %(why)s") % {"why": refusal.told}
            self.message_user(request, told, messages.ERROR)
        else:
            told = gettext("Asked for: %(act)s.") if act in ASKS_THE_METER else gettext("Done: %(act)s.")
            self.message_user(request, told % {"act": PAGES[act].label}, messages.SUCCESS)

    def _confirmation(self, request: HttpRequest, act: str, form: ActForm) -> HttpResponse:
        assert form.is_valid()
        said = PAGES[act].says(form.meter, form.cleaned_data, timezone.now())
        token = new_token(user=cast(User, request.user), purpose=purpose_of(act, form.meter))
        hidden = [(name, form.data.get(name, "")) for name in form.fields if name != "note"]
        return self._page(request, act, form, said=said, token=token, hidden=hidden)

    def _page(self, request: HttpRequest, act: str, form: ActForm, **further: Any) -> HttpResponse:
        page = PAGES[act]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": page.label,
            "subtitle": None,
            "original": form.meter,
            "meter": form.meter,
            "meter_page": _meter_page(form.meter),
            "form": form,
            "act": page,
            **further,
        }
        return TemplateResponse(request, "office/act.html", context)


def buttons(request: HttpRequest, meter: Meter) -> list[dict[str, Any]]:
    """What this user may do to this meter."""
    if meter.status != MeterStatus.ACTIVE:
        return []
    return [
        {"label": page.label, "url": reverse("admin:office_meter_act", args=[meter.pk, act]), "act": page}
        for act, page in PAGES.items()
        if request.user.has_perm(page.permission)
    ]


def _meter_page(meter: Meter) -> str:
    return reverse("admin:meters_meter_change", args=[meter.pk])
