"""Asking again and cancelling from the list of commands: the count first, then once."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from commands.admin import CommandAdmin
from commands.models import Command
from office.command_acts import ACTS, MOST, perform_all
from staff.message_acts import Plan
from staff.once import PageInvalid, PageSent, new_token
from staff.permissions import CANCEL_COMMAND, REPLAY_COMMAND

MOST_REFUSALS_TOLD = 10


def plan(act: str, commands: QuerySet[Command]) -> Plan:
    """How many it would be done to, and how many are skipped for which reason; both counted up to MOST."""
    able = _count(commands.filter(ACTS[act].able))
    skipped = [(why, _count(commands.filter(which))) for why, which in ACTS[act].skips]
    return Plan(min(able, MOST), able > MOST, [(why, min(count, MOST)) for why, count in skipped if count])


def _count(commands: QuerySet[Command]) -> int:
    return commands.order_by("pk").values("pk")[: MOST + 1].count()


class CommandActions(CommandAdmin):
    actions = ["replay", "cancel"]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(REPLAY_COMMAND))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(CANCEL_COMMAND))

    @admin.action(description=_("Ask again … (count first)"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Command]) -> HttpResponse | None:
        return self._ask(request, queryset, "replay")

    @admin.action(description=_("Cancel … (count first)"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Command]) -> HttpResponse | None:
        return self._ask(request, queryset, "cancel")

    def _ask(self, request: HttpRequest, commands: QuerySet[Command], act: str) -> HttpResponse | None:
        """The page that says how many, or what it asked for once its button is pressed and no more have come up."""
        planned, counted = plan(act, commands), request.POST.get("counted", "")
        if request.POST.get("post") == "yes" and counted.isdecimal() and planned.count <= int(counted):
            self._do(request, commands, act)
            return None
        every = request.POST.get("select_across") == "1"
        does = ngettext("It is done to %(n)d command.", "It is done to %(n)d commands.", planned.count)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": ACTS[act].label,
            "says": ACTS[act].says,
            "does": does % {"n": planned.count},
            "things": self.opts.verbose_name_plural,
            "plan": planned,
            "every": every,
            "most": MOST,
            "hidden": [
                *(("action", act), ("select_across", "1" if every else "0"), ("counted", planned.count)),
                *((ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)),
                ("token", new_token(user=cast(User, request.user), purpose=f"{act}:commands")),
            ],
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "staff/messages_confirm.html", context)

    def _do(self, request: HttpRequest, commands: QuerySet[Command], act: str) -> None:
        by, token = cast(User, request.user), request.POST.get("token", "")
        try:
            done = perform_all(act, commands, token=token, by=by, now=timezone.now())
        except (PageSent, PageInvalid) as refusal:
            self.message_user(request, refusal.words, messages.WARNING)
            return
        told = _told(act, done.count) % {"count": done.count}
        self.message_user(request, told, messages.SUCCESS if done.count else messages.WARNING)
        for command, why in done.refused[:MOST_REFUSALS_TOLD]:
            self.message_user(request, f"#{command.pk}: {why}", messages.WARNING)


def _told(act: str, count: int) -> Any:
    if act == "replay":
        return ngettext("%(count)d command is asked again.", "%(count)d commands are asked again.", count)
    return ngettext("%(count)d cancellation is asked for.", "%(count)d cancellations are asked for.", count)
