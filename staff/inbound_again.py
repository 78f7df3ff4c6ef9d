"""Processing a refused message again, from its page: what it will do is said first, what came of it afterwards."""

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from protocol import again
from protocol.again import NotAgain, OnlyAsked, Processed, SenderGone, SucceededAlready
from protocol.errors import ProtocolError
from protocol.ledger import under_serial
from protocol.models import InboundMessage
from staff.acts import name_acts, put_on_record
from staff.permissions import PROCESS_AGAIN

ACT = "inbound.process_again"
WHY_NOT: dict[type[NotAgain], Any] = {
    SucceededAlready: _("A message under this serial number has succeeded: nothing is left to do."),
    OnlyAsked: _("This message only asked for something. Whoever sent it has to ask again."),
    SenderGone: _("The peer that sent it is out of use, or of another kind by now."),
}
# Of one serial, those shown beside each other.
MOST_SHOWN = 20
name_acts({ACT: _("process again")})


@transaction.atomic
def process_again(message: InboundMessage, *, by: User, now: datetime) -> Processed:
    """Do it and put it on record, together. Raises NotAgain or ProtocolError: then nothing has changed."""
    done = again.process_again(message, now=now)
    put_on_record(
        by=by,
        act=ACT,
        target=message,
        company=message.company,
        before={"echo_code": message.echo_code, "answer": message.answer[:200]},
        after={"echo_code": done.echo_code, "answer": str(done.echo_msg)[:200]},
    )
    return done


class ProcessAgain(admin.ModelAdmin):
    """For the page of an inbound message."""

    change_form_outer_before_template = "staff/inbound_again.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.again_view)
        return [path("<int:pk>/again/", view, name="staff_process_again"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id)
        shown = {} if row is None else self._shown(request, cast(InboundMessage, row))
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        message = cast(InboundMessage | None, self.get_object(request, str(pk)))
        if message is None:
            raise Http404
        if not self.has_view_permission(request, message) or not request.user.has_perm(PROCESS_AGAIN):
            raise PermissionDenied
        back = reverse("admin:protocol_inboundmessage_change", args=[pk])
        if request.method == "POST":
            self._process(request, message)
            return HttpResponseRedirect(back)
        against = again.why_not(message)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Process again"),
            "original": message,
            "inbound": message,
            "against": WHY_NOT[against] if against else None,
            "back": back,
        }
        return TemplateResponse(request, "staff/inbound_again_confirm.html", context)

    def _process(self, request: HttpRequest, message: InboundMessage) -> None:
        by = cast(User, request.user)
        try:
            done = process_again(message, by=by, now=timezone.now())
        except NotAgain as against:
            told, level = _now("Nothing was done: %(why)s") % {"why": WHY_NOT[type(against)]}, messages.WARNING
        except ProtocolError as error:
            told, level = _now("Nothing was done: %(why)s") % {"why": error.told}, messages.ERROR
        else:
            said = {"code": done.echo_code, "answer": done.echo_msg if isinstance(done.echo_msg, str) else ""}
            if done.succeeded:
                told, level = _now("Processed: %(code)s %(answer)s") % said, messages.SUCCESS
            else:
                told, level = _now("Refused again: %(code)s %(answer)s") % said, messages.ERROR
        self.message_user(request, told, level)

    def _shown(self, request: HttpRequest, message: InboundMessage) -> dict[str, Any]:
        same: QuerySet[Any] = self.get_queryset(request).filter(under_serial(message.serial_no), peer=message.peer_id)
        may = not message.succeeded and request.user.has_perm(PROCESS_AGAIN)
        against = again.why_not(message) if may else None
        return {
            "original": message,
            "inbound": message,
            "again_url": reverse("admin:staff_process_again", args=[message.pk]) if may and not against else "",
            "against": WHY_NOT[against] if against else None,
            "same_serial": same.exclude(pk=message.pk).order_by("-received_at")[:MOST_SHOWN],
        }
