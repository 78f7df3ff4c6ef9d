"""What happened to one meter, newest first, a page at a time.

Each source is read backwards by its own key, which an index of the meter serves, and the sources are merged by time.
The cursor remembers the last key shown of each source, so that no row is lost or shown twice, whatever its time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from heapq import merge
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alarms.models import Alarm
from commands.causes import asked_in_words
from commands.models import Command
from meters.models import AccountEntry, EntryKind, Meter, MeterPrice
from protocol.models import DeliveryState, OutboundMessage
from staff.models import StaffAct

PER_PAGE: Final = 30
# The latest messages of a lane among which those worth showing beside everything else are looked for.
MESSAGES_LOOKED_AT: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    source: str
    key: int
    at: datetime
    text: str
    state: str = ""
    url: str = ""

    @property
    def label(self) -> Any:
        return SOURCES[self.source].label


@dataclass(frozen=True, slots=True)
class Source:
    label: Any
    permission: str
    rows: Callable[[Meter], QuerySet[Any]]
    event: Callable[[Any], Event]


@dataclass(frozen=True, slots=True)
class Page:
    events: list[Event]
    older: str


def timeline(meter: Meter, *, sources: list[str], cursor: str = "") -> Page:
    """The next page after `cursor` of these sources; `older` is the cursor of the page that follows, "" for none."""
    seen = _read(cursor)
    found = []
    for name in sources:
        rows = SOURCES[name].rows(meter).order_by("-pk")
        if name in seen:
            rows = rows.filter(pk__lt=seen[name])
        # No page takes more of one source than this.
        found.append([SOURCES[name].event(row) for row in rows[: PER_PAGE + 1]])
    merged = list(merge(*found, key=lambda event: event.at, reverse=True))
    shown = merged[:PER_PAGE]
    seen = {**seen, **{event.source: event.key for event in shown}}
    return Page(shown, _written(seen) if len(merged) > PER_PAGE else "")


def _read(cursor: str) -> dict[str, int]:
    pairs = (part.rpartition("-") for part in cursor.split("."))
    return {name: int(key) for name, _dash, key in pairs if name in SOURCES and key.isdecimal() and len(key) < 19}


def _written(seen: dict[str, int]) -> str:
    return ".".join(f"{name}-{key}" for name, key in sorted(seen.items()))


def _url(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def _commands(meter: Meter) -> QuerySet[Command]:
    return Command.objects.filter(meter=meter).select_related("peer", "requested_by")


def _command(row: Command) -> Event:
    who = row.requested_by.get_username() if row.requested_by else row.get_origin_display()
    text = _("%(what)s, asked by %(who)s") % {"what": asked_in_words(row), "who": who}
    state = row.get_state_display()
    return Event(source="command", key=row.pk, at=row.queued_at, text=text, state=str(state), url=_url(row))


def _alarms(meter: Meter) -> QuerySet[Alarm]:
    return Alarm.objects.filter(meter=meter)


def _alarm(row: Alarm) -> Event:
    text = f"{row.get_type_display()}: {row.content}" + (f" (×{row.occurrences})" if row.occurrences > 1 else "")
    return Event(
        source="alarm", key=row.pk, at=row.first_at, text=text, state=str(row.get_state_display()), url=_url(row)
    )


def _prices(meter: Meter) -> QuerySet[MeterPrice]:
    return MeterPrice.objects.filter(meter=meter).select_related("price")


def _price(row: MeterPrice) -> Event:
    at = timezone.make_aware(datetime.combine(row.starts, time.min))
    until = localize(row.ends) if row.ends else _("further notice")
    text = _("Price %(code)s until %(until)s") % {"code": row.price.code, "until": until}
    return Event(source="price", key=row.pk, at=at, text=text, url=_url(row))


def _chain(meter: Meter) -> QuerySet[Meter]:
    return Meter.objects.filter(Q(pk=meter.pk) | Q(replaces=meter)).select_related("replaces")


def _life(row: Meter) -> Event:
    text = _("Meter %(no)s in service at %(index)s m³") % {"no": row.meter_no, "index": row.initial_index}
    if row.replaces is not None:
        text += " · " + _("replaces %(no)s") % {"no": row.replaces.meter_no}
    state = ""
    if row.ended_at:
        index = row.closing_index
        state = _("ended %(at)s at %(index)s m³") % {"at": localize(timezone.localtime(row.ended_at)), "index": index}
    return Event(source="life", key=row.pk, at=row.registered_at, text=text, state=state, url=_url(row))


def _money(meter: Meter) -> QuerySet[AccountEntry]:
    """Recharges show as commands, daily settlement as usage."""
    kinds = [EntryKind.CORRECTION, EntryKind.CARRY_IN, EntryKind.CARRY_OUT]
    return AccountEntry.objects.filter(meter=meter, kind__in=kinds)


def _entry(row: AccountEntry) -> Event:
    text = f"{row.get_kind_display()}: {row.amount} CNY"
    if row.old_amount is not None:
        text += f" ({row.old_amount} → {row.new_amount} CNY)"
    return Event(source="money", key=row.pk, at=row.created_at, text=text, url=_url(row))


def _messages(meter: Meter) -> QuerySet[OutboundMessage]:
    """What the meter's lane owes somebody or could not tell; the daily 2001 that arrived would drown the rest."""
    latest = OutboundMessage.objects.filter(lane=meter.pk).order_by("-pk").values("pk")[:MESSAGES_LOOKED_AT]
    rows = OutboundMessage.objects.filter(pk__in=latest).select_related("peer").defer("body", "answer")
    return rows.exclude(code="2001", state=DeliveryState.DELIVERED)


def _message(row: OutboundMessage) -> Event:
    text = _("Message %(code)s to %(peer)s") % {"code": row.code, "peer": row.peer.name}
    state = str(row.get_state_display())
    return Event(source="message", key=row.pk, at=row.created_at, text=text, state=state, url=_url(row))


def _acts(meter: Meter) -> QuerySet[StaffAct]:
    return StaffAct.objects.filter(target_model="meters.meter", target_pk=str(meter.pk)).select_related("by")


def _act(row: StaffAct) -> Event:
    name = ACT_NAMES.get(row.act, row.act)
    text = _("%(what)s, by %(who)s") % {"what": name, "who": row.by.get_username()}
    return Event(source="act", key=row.pk, at=row.at, text=text, state=row.note)


ACT_NAMES: Final = {
    "meter.open": gettext_lazy("Open the valve"),
    "meter.close": gettext_lazy("Close the valve"),
    "meter.recharge": gettext_lazy("Recharge"),
    "meter.price": gettext_lazy("Change the price"),
    "meter.replace": gettext_lazy("Replace the meter"),
    "meter.deregister": gettext_lazy("Deregister"),
}
SOURCES: Final[dict[str, Source]] = {
    "command": Source(gettext_lazy("command"), "commands.view_command", _commands, _command),
    "alarm": Source(gettext_lazy("alarm"), "alarms.view_alarm", _alarms, _alarm),
    "price": Source(gettext_lazy("price"), "meters.view_meterprice", _prices, _price),
    "life": Source(gettext_lazy("meter"), "meters.view_meter", _chain, _life),
    "money": Source(gettext_lazy("account"), "meters.view_accountentry", _money, _entry),
    "message": Source(gettext_lazy("message"), "protocol.view_outboundmessage", _messages, _message),
    "act": Source(gettext_lazy("staff"), "staff.view_staffact", _acts, _act),
}
