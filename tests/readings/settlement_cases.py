"""Histories that Hypothesis draws for the settlement: prices, meters, and events in the order in which they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tests.readings.slow_model import Life, Seen, Version

FIRST, DAYS = date(2023, 11, 20), 130
LAST = FIRST + timedelta(days=DAYS)
PRICE, OTHER_PRICE = "价", "另价"
# Small steps that meet on the ends of the tiers, and just beside them.
STEPS = [Decimal(text) for text in ("0", "0.0001", "4.9999", "5", "5.0001", "10", "15", "37.5")]
ENDS = [Decimal(text) for text in ("5", "10", "10.0001", "15", "20", "40", "50", "80", "100", "300")]
UNIT_PRICES = [Decimal(text) for text in ("0", "0.5", "1.4", "2.4", "2.3333", "3.4")]
JUMP_LIMIT = 60
OFF = [Decimal(text) for text in ("0.0001", "5", "59.9999", "60.0001", "200", "1000")]


@dataclass(frozen=True)
class ReportEvent:
    meter: int
    moment: datetime
    index: Decimal
    backfill: tuple[tuple[date, Decimal], ...]

    @property
    def day(self) -> date:
        return self.moment.date()

    def seen(self) -> list[Seen]:
        """The readings it holds, in the order in which they are taken."""
        days = [Seen(datetime.combine(day, time(23, 59, 59)), index) for day, index in sorted(self.backfill)]
        return [*days, Seen(self.moment, self.index)]


@dataclass(frozen=True)
class VersionEvent:
    price: str
    version: Version

    @property
    def day(self) -> date:
        assert self.version.begins is not None
        return self.version.begins


@dataclass(frozen=True)
class PriceChangeEvent:
    """The meter gets the other price (1008)."""

    meter: int
    day: date


@dataclass(frozen=True)
class SettleEvent:
    day: date


Event = ReportEvent | VersionEvent | PriceChangeEvent | SettleEvent
# What comes first on a day when all comes in time; a day is settled after it has ended.
RANKS = {VersionEvent: 0, PriceChangeEvent: 1, ReportEvent: 2, SettleEvent: 3}


@dataclass(frozen=True)
class Birth:
    born: datetime
    index: Decimal
    used_before: Decimal


@dataclass(frozen=True)
class Case:
    prices: dict[str, Version]
    births: tuple[Birth, ...]
    events: tuple[Event, ...]

    def life(self, meter: int, events: Sequence[Event]) -> Life:
        """The meter as it is after `events`, in whatever order they came."""
        history = {code: [version] for code, version in self.prices.items()}
        for event in events:
            if isinstance(event, VersionEvent):
                history[event.price].append(event.version)
        birth = self.births[meter]
        changes = [event.day for event in events if isinstance(event, PriceChangeEvent) and event.meter == meter]
        spans = (birth.born.date(), tuple(history[PRICE])), *((day, tuple(history[OTHER_PRICE])) for day in changes)
        return Life(birth.born, birth.index, birth.used_before, spans, JUMP_LIMIT)

    def seen(self, meter: int, events: Sequence[Event]) -> list[Seen]:
        reports = [event for event in events if isinstance(event, ReportEvent) and event.meter == meter]
        return [reading for report in reports for reading in report.seen()]


CYCLE_EDGES = [date(2023, 12, 1), date(2024, 1, 1), date(2024, 2, 29), date(2024, 3, 1)]
seconds = st.sampled_from([0, 1, 3600, 43200, 86398, 86399])


@st.composite
def calendars(draw):
    """The few days on which things happen: turns of cycles, any days, and days just beside these."""
    day = st.integers(0, DAYS - 1).map(lambda days: FIRST + timedelta(days=days)) | st.sampled_from(CYCLE_EDGES)
    chosen = draw(st.lists(day, min_size=3, max_size=6, unique=True))
    beside = draw(st.lists(st.sampled_from(chosen).map(lambda day: day + timedelta(days=1)), max_size=3))
    return sorted({*chosen, *beside})


def moments(days):
    return st.builds(lambda day, second: datetime.combine(day, time()) + timedelta(seconds=second), days, seconds)


@st.composite
def versions(draw, ladder, begins):
    """Nearly always with the ends of the case's ladder, so that readings can meet them."""
    ends = sorted(draw(st.sampled_from([ladder] * 3 + [set(), set(ENDS[1:])])))
    unit_prices = draw(st.lists(st.sampled_from(UNIT_PRICES), min_size=len(ends) + 1, max_size=len(ends) + 1))
    first_day = draw(begins)
    return Version(
        tiers=tuple(zip([*ends, None], unit_prices, strict=True)),
        months=draw(st.sampled_from([1, 2, 3, 6, 12, 24]) | st.integers(1, 24)),
        begins=first_day,
        restarts=first_day is not None and draw(st.booleans()),
    )


def on_an_end(birth: Birth, index: Decimal, ladder: set[Decimal]):
    """The next indexes at which the first cycle, or one that begins with this reading, stands on the end of a tier."""
    ends = [start + end for start in (birth.index - birth.used_before, index) for end in sorted(ladder)]
    return st.sampled_from([end for end in ends if index <= end <= index + JUMP_LIMIT] or [index])


@st.composite
def readings(draw, birth: Birth, calendar: list[date], ladder: set[Decimal]):
    """Mostly rising indexes; some are too low, too high or out of place."""
    when = sorted(draw(st.lists(moments(st.sampled_from(calendar)), min_size=4, max_size=12)))
    index, seen = birth.index, []
    for moment in when:
        index = draw(st.sampled_from(STEPS).map(index.__add__) | st.just(index) | on_an_end(birth, index, ladder))
        odd = draw(st.sampled_from([None] * 8 + ["lower", "higher", "same moment"]))
        if odd == "lower":
            seen.append(Seen(moment, max(index - draw(st.sampled_from(OFF)), Decimal(0))))
        elif odd == "higher":
            seen.append(Seen(moment, index + draw(st.sampled_from(OFF))))
        else:
            seen.append(Seen(seen[-1].moment if odd and seen else moment, index))
    return seen


@st.composite
def reports(draw, meter: int, seen: list[Seen]):
    events, seen = [], list(seen)
    while seen:
        named = [seen.pop(0) for _ in range(min(len(seen) - 1, draw(st.sampled_from([0, 0, 0, 0, 1, 3]))))]
        backfill = {one.moment.date(): one.index for one in named}
        current = seen.pop(0)
        events.append(ReportEvent(meter, current.moment, current.index, tuple(backfill.items())))
    repeated = draw(st.lists(st.sampled_from(events), max_size=2))
    return [*events, *repeated]


@st.composite
def births(draw, first_days):
    return Birth(
        born=draw(moments(st.sampled_from(first_days))),
        index=draw(st.sampled_from([Decimal(0), Decimal("3.3333"), Decimal(1000)])),
        used_before=draw(st.sampled_from([Decimal(0), Decimal(0), Decimal(10), Decimal("49.9999"), Decimal(300)])),
    )


@st.composite
def cases(draw):
    calendar, ladder = draw(calendars()), draw(st.sets(st.sampled_from(ENDS), min_size=1, max_size=9))
    days = st.sampled_from(calendar)
    prices = {code: draw(versions(ladder, begins=st.none())) for code in (PRICE, OTHER_PRICE)}
    changes: dict[tuple[str, date], VersionEvent] = {}
    for _ in range(draw(st.integers(0, 4))):
        price, version = draw(st.sampled_from([PRICE, PRICE, OTHER_PRICE])), draw(versions(ladder, begins=days))
        changes[price, version.begins] = VersionEvent(price, version)
    born = tuple(draw(births(calendar[:2])) for _ in range(draw(st.integers(1, 2))))
    events: list[Event] = [*changes.values(), *map(SettleEvent, draw(st.lists(days, max_size=5)))]
    for meter, birth in enumerate(born):
        events += draw(reports(meter, draw(readings(birth, calendar, ladder))))
        changed = draw(st.none() | days)
        if changed is not None and changed > birth.born.date():
            events.append(PriceChangeEvent(meter, changed))
    return Case(prices, born, tuple(draw(orders(events))))


@st.composite
def orders(draw, events: list[Event]):
    """In time, in time but for a few, or in any order."""
    displaced = draw(st.sampled_from([0, 1, 3, len(events)]))
    if displaced == len(events):
        return draw(st.permutations(events))
    order = sorted(events, key=lambda event: (event.day, RANKS[type(event)], getattr(event, "moment", None)))
    for _ in range(displaced):
        event = order.pop(draw(st.integers(0, len(order) - 1)))
        order.insert(draw(st.integers(0, len(order))), event)
    return order
