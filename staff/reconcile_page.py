"""Reconciliation: what was made for a company on a day, what became of it, and sending again what its CIS lacks."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from protocol import reconciliation
from protocol.models import Company, OutboundMessage
from protocol.undelivered import BATCH
from staff.acts import name_acts, put_on_record
from staff.message_acts import MOST, Plan
from staff.once import PageInvalid, PageSent, new_token, spend
from staff.patience import TookTooLong, at_most
from staff.permissions import RECONCILE, SEND_AGAIN
from staff.scope import companies_of

ACT = "reconcile.send_again"
PATIENCE_MS = 5_000
name_acts({ACT: _("reconcile: send again")})


@dataclass(frozen=True)
class Lacking:
    """What a CIS says it lacks: a code of a day, or serials; `facts` say it on record."""

    company: Company
    messages: QuerySet[OutboundMessage]
    facts: dict[str, Any]
    asked: int | None = None

    def plan(self) -> Plan:
        count = self.messages.values("pk")[: MOST + 1].count()
        left = [] if self.asked is None or count >= self.asked else [(_LEFT_ALONE, self.asked - count)]
        return Plan(min(count, MOST), count > MOST, left)


_LEFT_ALONE = _("unknown here, waiting, withdrawn, or once only")


def send_lacking(lacking: Lacking, *, by: User, now: datetime) -> int:
    """Send the first MOST of them again; returns how many. Each batch is a transaction, its record included."""
    ids = list(lacking.messages.values_list("pk", flat=True)[:MOST])
    return sum(_send(lacking, ids[start : start + BATCH], by=by, now=now) for start in range(0, len(ids), BATCH))


@transaction.atomic
def _send(lacking: Lacking, ids: list[int], *, by: User, now: datetime) -> int:
    done = reconciliation.resend(ids, now=now)
    if done:
        company, facts = lacking.company, {"messages": done, **lacking.facts}
        put_on_record(by=by, act=ACT, target=company, company=company, after=facts)
    return done


class Reconciles(admin.ModelAdmin):
    """A page beside the list of outbound messages."""

    list_before_template = "staff/reconcile_link.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.reconcile_view)
        return [path("reconcile/", view, name="staff_reconcile"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may = {"may_reconcile": request.user.has_perm(RECONCILE)}
        return super().changelist_view(request, {**(extra_context or {}), **may})

    def reconcile_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request) or not request.user.has_perm(RECONCILE):
            raise PermissionDenied
        asked = request.POST if request.method == "POST" else request.GET
        company, day = _company(request, asked), _day(asked)
        if request.method == "POST":
            if not request.user.has_perm(SEND_AGAIN):
                raise PermissionDenied
            if company is None:
                raise Http404
            return self._ask_lacking(request, company, day)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Reconciliation"),
            "content_title": _("Reconciliation"),
            "companies": companies_of(request.user),
            "company": company,
            "day": day.isoformat(),
            "lines": self._lines(request, company, day) if company else [],
            "may_send": request.user.has_perm(SEND_AGAIN),
            "most": MOST,
        }
        return TemplateResponse(request, "staff/reconcile.html", context)

    def _lines(self, request: HttpRequest, company: Company, day: date) -> list[reconciliation.Line]:
        try:
            with at_most(PATIENCE_MS):
                return reconciliation.report(company=company, day=day)
        except TookTooLong:
            self.message_user(request, _TOO_LONG, messages.ERROR)
            return []

    def _ask_lacking(self, request: HttpRequest, company: Company, day: date) -> HttpResponse:
        """The page that says how many, or what it asked for once its button is pressed and no more have come up."""
        back = f"{reverse('admin:staff_reconcile')}?company={company.pk}&day={day.isoformat()}"
        serials = list(dict.fromkeys(request.POST.get("serials", "").split()))
        code, peer = request.POST.get("code", ""), request.POST.get("peer", "")
        if len(serials) > MOST:
            told = _("More than %(most)s serial numbers: send them in parts.") % {"most": MOST}
            self.message_user(request, told, messages.ERROR)
            return HttpResponseRedirect(back)
        lacking = _by_serial(company, serials) if serials else _by_day(company, day, code, peer)
        try:
            with at_most(PATIENCE_MS):
                plan = lacking.plan()
        except TookTooLong:
            self.message_user(request, _TOO_LONG, messages.ERROR)
            return HttpResponseRedirect(back)
        counted = request.POST.get("counted", "")
        if request.POST.get("post") == "yes" and counted.isdecimal() and plan.count <= int(counted):
            self._send(request, lacking)
            return HttpResponseRedirect(back)
        hidden = {"company": company.pk, "day": day.isoformat(), "code": code, "peer": peer}
        about = _("Serial numbers: %(count)s") % {"count": len(serials)} if serials else f"{code} · {day} · {peer}"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Send again"),
            "context_line": f"{company} · {about}",
            "says": _SAYS,
            "plan": plan,
            "most": MOST,
            "hidden": [
                *(*hidden.items(), ("serials", " ".join(serials)), ("counted", plan.count)),
                ("token", new_token(user=cast(User, request.user), purpose=ACT)),
            ],
            "back": back,
        }
        return TemplateResponse(request, "staff/messages_confirm.html", context)

    def _send(self, request: HttpRequest, lacking: Lacking) -> None:
        by, now = cast(User, request.user), timezone.now()
        try:
            spend(request.POST.get("token", ""), user=by, purpose=ACT, now=now)
        except (PageSent, PageInvalid) as refusal:
            self.message_user(request, refusal.words, messages.WARNING)
            return
        done = send_lacking(lacking, by=by, now=now)
        told = ngettext("%(count)d message will be sent again.", "%(count)d messages will be sent again.", done)
        self.message_user(request, told % {"count": done}, messages.SUCCESS if done else messages.WARNING)


_TOO_LONG = _("This takes too long here. The command `manage.py reconcile` does the same without a limit.")
_SAYS = _("Delivered ones too: under their own serial numbers, so that a CIS that has them after all takes them once.")


def _by_serial(company: Company, serials: list[str]) -> Lacking:
    facts = {"filter": " ".join(serials[:20]) + (" …" if len(serials) > 20 else "")}
    return Lacking(company, reconciliation.by_serial(serials, company=company), facts, len(serials))


def _by_day(company: Company, day: date, code: str, peer: str) -> Lacking:
    found = reconciliation.by_day(company=company, day=day, codes=[code])
    facts = {"day": day.isoformat(), "code": code, "filter": peer}
    return Lacking(company, found.filter(peer__app_code=peer) if peer else found, facts)


def _company(request: HttpRequest, asked: QueryDict) -> Company | None:
    value = asked.get("company", "")
    mine = companies_of(request.user)
    if not value:
        # Whoever has one company need not choose it.
        few = list(mine[:2])
        return few[0] if len(few) == 1 else None
    found = mine.filter(pk=int(value)).first() if value.isdecimal() else None
    if found is None:
        raise Http404
    return found


def _day(asked: QueryDict) -> date:
    """Yesterday, unless another is asked for."""
    try:
        return date.fromisoformat(asked.get("day", ""))
    except ValueError:
        return timezone.localdate() - timedelta(days=1)
