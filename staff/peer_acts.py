"""What staff do to a peer beyond its form: a new secret, pause and resume, a test call. Each after a confirmation."""

from datetime import timedelta
from typing import Any, Final, NamedTuple, cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from protocol import breaker
from protocol.models import BreakerState, Peer, PeerHealth
from protocol.parties import PartyError, rotate_secret
from protocol.probing import probe
from protocol.verdicts import judge
from staff.acts import Fact, name_acts, name_facts, put_on_record
from staff.admin_forms import PauseForm, RotateForm
from staff.admin_record import company_of
from staff.failures import failure_words
from staff.permissions import PAUSE_PEER, ROTATE_SECRET, TEST_PEER
from staff.scope import companies_of, sees_all

USUAL_OVERLAP: Final = timedelta(days=1)


class PeerAct(NamedTuple):
    label: Any
    permission: str
    form: type[Form]
    says: Any


ACTS: Final[dict[str, PeerAct]] = {
    "rotate": PeerAct(
        _("Make a new secret"),
        ROTATE_SECRET,
        RotateForm,
        _(
            "A new secret is made and shown once. The platform signs with it at once; the peer may sign with either "
            "until the time below."
        ),
    ),
    "pause": PeerAct(
        _("Pause sending"),
        PAUSE_PEER,
        PauseForm,
        _("Nothing is sent to this peer until sending is resumed. What waits keeps all its tries."),
    ),
    "resume": PeerAct(
        _("Resume sending"), PAUSE_PEER, Form, _("What waits for this peer is sent at once, the oldest first.")
    ),
    "test": PeerAct(
        _("Test call"),
        TEST_PEER,
        Form,
        _(
            "A signed message goes to the URL of this peer, about a command and a meter that do not exist: a head-end "
            "is asked to cancel it (1005), a CIS is told that it was not done (2002). It changes nothing."
        ),
    ),
}
name_acts({f"peer.{name}": act.label for name, act in ACTS.items()})
name_facts(
    {
        "peer.state": Fact(_("sending"), dict(BreakerState.choices)),
        "held_by": Fact(_("paused by")),
        "http_status": Fact(_("HTTP status")),
        "duration_ms": Fact(_("duration (ms)")),
        "peer.error": Fact(_("error"), lambda error, facts: failure_words(error)),
    }
)


def owns(user: User, peer: Peer) -> bool:
    """Whether the user sees all that the peer speaks for; one that lists no company speaks for every one."""
    if sees_all(user):
        return True
    served = set(peer.companies.values_list("pk", flat=True))
    return bool(served) and served <= set(companies_of(user).values_list("pk", flat=True))


class PeerActs:
    """For the page of a peer: the buttons, the confirmations, and what comes of them."""

    def get_urls(self) -> list[Any]:
        page: Any = self
        view = page.admin_site.admin_view(self.act_view)
        return [path("<int:pk>/ask/<slug:act>/", view, name="staff_peer_act"), *cast(Any, super()).get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        page: Any = self
        peer = page.get_object(request, object_id)
        buttons = [] if peer is None else _buttons(request, peer)
        shown = {**(extra_context or {}), "peer_buttons": buttons}
        return cast(Any, super()).change_view(request, object_id, form_url, shown)

    def save_model(self, request: HttpRequest, obj: Peer, form: Any, change: bool) -> None:
        # For the answer to this request only.
        request.made_secret = form.made_secret  # type: ignore[attr-defined]
        cast(Any, super()).save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Peer, post_url_continue: str | None = None) -> HttpResponse:
        made = getattr(request, "made_secret", "")
        if made:
            return self._shown_once(request, obj, made)
        return cast(Any, super()).response_add(request, obj, post_url_continue)

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        page: Any = self
        peer: Peer | None = page.get_object(request, str(pk)) if act in ACTS else None
        if peer is None:
            raise Http404
        by = cast(User, request.user)
        if not page.has_view_permission(request, peer) or not may(by, act, peer):
            raise PermissionDenied
        form = ACTS[act].form(request.POST or None, initial=_initial(act, peer))
        if request.method == "POST" and (form.is_valid() or act in ("resume", "test")):
            return getattr(self, f"_{act}")(request, peer, form, by)
        return self._page(request, peer, "staff/peer_act.html", act=ACTS[act], form=form, title=ACTS[act].label)

    def _rotate(self, request: HttpRequest, peer: Peer, form: Form, by: User) -> HttpResponse:
        replaces, until = peer.app_secret, form.cleaned_data["until"]
        if not constant_time_compare(form.cleaned_data["page_of"], _mark(peer)):
            return self._refused(request, peer, gettext("The secret has been changed since this page was opened."))
        told = None if until is None else until.isoformat()
        try:
            with transaction.atomic():
                made = rotate_secret(peer, replaces=replaces, previous_until=until)
                _record(peer, "rotate", by=by, after={"previous_secret_until": told})
        except PartyError:
            return self._refused(request, peer, gettext("The secret has been changed since this page was opened."))
        return self._shown_once(request, peer, made, until=until)

    def _pause(self, request: HttpRequest, peer: Peer, form: Form, by: User) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        with transaction.atomic():
            before = _sending_facts(peer)
            if breaker.pause(peer, by=by.get_username(), reason=reason, now=timezone.now()):
                _record(peer, "pause", by=by, before=before, after=_sending_facts(peer), note=reason)
        return HttpResponseRedirect(_page_of(peer))

    def _resume(self, request: HttpRequest, peer: Peer, form: Form, by: User) -> HttpResponse:
        resume_on_record(peer, by=by)
        return HttpResponseRedirect(_page_of(peer))

    def _test(self, request: HttpRequest, peer: Peer, form: Form, by: User) -> HttpResponse:
        outcome = probe(peer, now=timezone.now())
        echo_code = judge(outcome).echo_code
        facts = {"http_status": outcome.http_status, "echo_code": echo_code, "duration_ms": outcome.duration_ms}
        _record(peer, "test", by=by, after={**facts, "error": outcome.error})
        shown = {"outcome": outcome, "echo_code": echo_code, "reachable": outcome.http_status is not None}
        shown["failure"] = failure_words(outcome.error)
        return self._page(request, peer, "staff/peer_tested.html", title=ACTS["test"].label, **shown)

    def _shown_once(self, request: HttpRequest, peer: Peer, secret: str, *, until: Any = None) -> HttpResponse:
        title = gettext("The secret of %(peer)s") % {"peer": peer}
        answer = self._page(request, peer, "staff/peer_secret.html", secret=secret, until=until, title=title)
        answer["Cache-Control"] = "no-store"
        return answer

    def _refused(self, request: HttpRequest, peer: Peer, why: str) -> HttpResponse:
        cast(Any, self).message_user(request, why, "ERROR")
        return HttpResponseRedirect(_page_of(peer))

    def _page(self, request: HttpRequest, peer: Peer, template: str, **shown: Any) -> TemplateResponse:
        page: Any = self
        context = {**page.admin_site.each_context(request), "opts": page.opts, "original": peer, "peer": peer}
        return TemplateResponse(request, template, {**context, **shown, "back": _page_of(peer)})


def may(user: User, act: str, peer: Peer) -> bool:
    """A shared peer is paused, tested and given secrets by who sees all that it speaks for."""
    return user.has_perm(ACTS[act].permission) and owns(user, peer) and _fits(act, peer)


def _fits(act: str, peer: Peer) -> bool:
    return act == "rotate" or bool(peer.url)


def _buttons(request: HttpRequest, peer: Peer) -> list[dict[str, Any]]:
    by = cast(User, request.user)
    return [
        {"label": act.label, "url": reverse("admin:staff_peer_act", args=[peer.pk, name])}
        for name, act in ACTS.items()
        if may(by, name, peer)
    ]


def _initial(act: str, peer: Peer) -> dict[str, Any]:
    if act != "rotate":
        return {}
    return {"until": timezone.localtime(timezone.now() + USUAL_OVERLAP), "page_of": _mark(peer)}


def _mark(peer: Peer) -> str:
    """Tells one secret of a peer from the next, and nothing of either."""
    return salted_hmac("staff.peer_acts", f"{peer.pk} {peer.app_secret}", algorithm="sha256").hexdigest()


def _page_of(peer: Peer) -> str:
    return reverse("admin:protocol_peer_change", args=[peer.pk])


@transaction.atomic
def resume_on_record(peer: Peer, *, by: User) -> bool:
    before = _sending_facts(peer)
    if not breaker.resume_peer(peer, now=timezone.now()):
        return False
    _record(peer, "resume", by=by, before=before, after=_sending_facts(peer))
    return True


def _sending_facts(peer: Peer) -> dict[str, Any]:
    health = PeerHealth.objects.filter(peer=peer).first()
    if health is None:
        return {"state": BreakerState.CLOSED.value, "held_by": ""}
    return {"state": str(health.state), "held_by": health.held_by}


def _record(peer: Peer, act: str, *, by: User, before: Any = None, after: Any = None, note: str = "") -> None:
    company = company_of(peer, "companies")
    put_on_record(by=by, act=f"peer.{act}", target=peer, company=company, before=before, after=after, note=note)
