"""Histories that Hypothesis draws for the settlement: prices, meters, and events in the order in which they come."""

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

    def seen(self) -> list[Seen]:
        """The readings it holds, in the order in which they are taken."""
        days = [Seen(datetime.combine(day, time(23, 59, 59)), index) for day, index in sorted(self.backfill)]
        return [*days, Seen(self.moment, self.index)]


@dataclass(frozen=True)
class VersionEvent:
    price: str
    version: Version


@dataclass(frozen=True)
class SettleEvent:
    through: date


@dataclass(frozen=True)
class Case:
    prices: dict[str, Version]
    lives: tuple[Life, ...]
    events: tuple[object, ...]


CYCLE_EDGES = [date(2023, 12, 31), date(2024, 1, 1), date(2024, 2, 29), date(2024, 3, 1)]

days = st.integers(0, DAYS).map(lambda days: FIRST + timedelta(days=days))
seconds = st.sampled_from([0, 1, 3600, 43200, 86398, 86399])


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


def on_an_end(life: Life, index: Decimal, ladder: set[Decimal]):
    """The next indexes at which the first cycle, or one that begins with this reading, stands on the end of a tier."""
    ends = [start + end for start in (life.index - life.used_before, index) for end in sorted(ladder)]
    return st.sampled_from([end for end in ends if index <= end <= index + JUMP_LIMIT] or [index])


@st.composite
def readings(draw, life: Life, ladder: set[Decimal]):
    """Mostly rising indexes on a few days of the meter's life; some are too low, too high or out of place."""
    after = [*(life.born.date() + timedelta(days=number) for number in (-1, 0, 1, 2)), *CYCLE_EDGES]
    pool = draw(st.lists(days | st.sampled_from(after), min_size=3, max_size=8))
    when = sorted(draw(st.lists(moments(st.sampled_from(pool)), min_size=3, max_size=12)))
    index, seen = life.index, []
    for moment in when:
        index = draw(st.sampled_from(STEPS).map(index.__add__) | st.just(index) | on_an_end(life, index, ladder))
        odd = draw(st.sampled_from([None] * 8 + ["lower", "higher", "same moment"]))
        if odd == "lower":
            seen.append(Seen(moment, max(index - draw(st.sampled_from(OFF)), Decimal(0))))
        elif odd == "higher":
            seen.append(Seen(moment, index + draw(st.sampled_from(OFF))))
        else:
            seen.append(Seen(seen[-1].moment if odd and seen else moment, index))
    return seen


@st.composite
def reports(draw, meter: int, life: Life, ladder: set[Decimal]):
    seen = draw(readings(life, ladder))
    events = []
    while seen:
        current = seen.pop(draw(st.integers(0, len(seen) - 1)))
        named = [seen.pop(0) for _ in range(min(len(seen), draw(st.sampled_from([0, 0, 0, 1, 3]))))]
        backfill = {one.moment.date(): one.index for one in named}
        events.append(ReportEvent(meter, current.moment, current.index, tuple(backfill.items())))
    repeated = draw(st.lists(st.sampled_from(events), max_size=2))
    return [*events, *repeated]


@st.composite
def cases(draw):
    ladder = draw(st.sets(st.sampled_from(ENDS), min_size=1, max_size=9))
    prices = {code: draw(versions(ladder, begins=st.none())) for code in (PRICE, OTHER_PRICE)}
    changes: dict[tuple[str, date], VersionEvent] = {}
    for _ in range(draw(st.integers(0, 4))):
        price = draw(st.sampled_from([PRICE, PRICE, OTHER_PRICE]))
        version = draw(versions(ladder, begins=days | st.sampled_from(CYCLE_EDGES)))
        changes[price, version.begins] = VersionEvent(price, version)
    histories = {
        price: (first, *(change.version for change in changes.values() if change.price == price))
        for price, first in prices.items()
    }
    lives = tuple(draw(lives_of(histories)) for _ in range(draw(st.integers(1, 2))))
    events = [event for meter, life in enumerate(lives) for event in draw(reports(meter, life, ladder))]
    settlements = [SettleEvent(day) for day in draw(st.lists(days, max_size=4))]
    order = draw(st.permutations([*events, *changes.values(), *settlements]))
    return Case(prices, lives, tuple(order))


@st.composite
def lives_of(draw, histories):
    born = draw(moments(st.integers(0, 40).map(lambda number: FIRST + timedelta(days=number))))
    spans = [(born.date(), histories[PRICE])]
    changed = draw(st.none() | days)
    if changed is not None and changed > born.date():
        spans.append((changed, histories[OTHER_PRICE]))
    return Life(
        born=born,
        index=draw(st.sampled_from([Decimal(0), Decimal("3.3333"), Decimal(1000)])),
        used_before=draw(st.sampled_from([Decimal(0), Decimal(0), Decimal(10), Decimal("49.9999"), Decimal(300)])),
        prices=tuple(spans),
        jump_limit=JUMP_LIMIT,
    )
