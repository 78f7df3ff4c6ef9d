"""What Hypothesis chooses in the life of a company: moments and indexes on the edges of days, tiers and cycles."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from tests.lives.books import Books, Meter
from tests.readings.slow_model import Seen, Version

JUMP_LIMIT, BACKDATE_DAYS = 60, 30
# A moment between whole seconds, as a server's clock is; some days before a cycle of some length ends.
STARTS = [
    datetime.fromisoformat(text)
    for text in ("2025-12-29 09:30:00.250", "2024-02-27 23:58:00.250", "2025-05-30 00:00:00.250")
]
WAITS = [
    *(timedelta(), timedelta(minutes=9), timedelta(hours=7), timedelta(hours=23, minutes=59)),
    *(timedelta(days=1), timedelta(days=1), timedelta(days=2), timedelta(days=5), timedelta(days=33)),
]
SINCE = [timedelta(minutes=-11), timedelta(minutes=-5), timedelta(), timedelta(hours=1)] + [
    timedelta(days=days) for days in (1, 4, 20, 40)
]
CLOCK = [time(0, 0, 0), time(0, 0, 1), time(12, 0, 0), time(23, 59, 58), time(23, 59, 59)]
ENDS = [Decimal(text) for text in ("5", "10", "10.0001", "15", "40", "80", "300")]
UNIT_PRICES = [Decimal(text) for text in ("0", "0.5", "1.4", "2.4", "2.3333", "3.4")]
STEPS = [Decimal(text) for text in ("4.9999", "5", "0", "0.0001", "5.0001", "10", "15", "37.5", "60", "60.0001", "120")]
OFF = [Decimal(text) for text in ("0.0001", "5", "61", "1000")]
OPENINGS = [Decimal(text) for text in ("0", "3.3333", "1000")]
AMOUNTS = [Decimal(text) for text in ("0.0001", "0.5", "20", "100", "1000.25")]

OF_A_METER = ["night", "report", "report_again", "change_price", "recharge", "replace", "deregister"]
HAPPENINGS = [
    *(["night"] * 6),
    *(["report", "settle"] * 3),
    *(["wait", "change_price", "adjust_price", "recharge", "replace", "decide"] * 2),
    *("register", "report_again", "deregister", "speak_of_the_dead", "try_out"),
]

waits = st.sampled_from(WAITS)
since = st.sampled_from(SINCE)
openings = st.sampled_from(OPENINGS)
amounts = st.sampled_from(AMOUNTS)
decisions = st.sampled_from(["rejected", "accepted", "rejected", "accepted", ""])
used_before = st.sampled_from([Decimal(text) for text in ("0", "0", "4.9999", "10", "41", "300")])
overdrafts = st.sampled_from([Decimal(0), Decimal(0), Decimal("0.5"), Decimal(50)])
billing_models = st.sampled_from(["3"] * 6 + ["2", "1"])


@st.composite
def versions(draw, begins: date | None = None) -> Version:
    ends = sorted(draw(st.sets(st.sampled_from(ENDS), min_size=draw(st.sampled_from([2, 2, 0])), max_size=4)))
    size = len(ends) + 1
    unit_prices = draw(st.lists(st.sampled_from(UNIT_PRICES), min_size=size, max_size=size, unique=True))
    return Version(
        tiers=tuple(zip([*ends, None], unit_prices, strict=True)),
        months=draw(st.sampled_from([1, 12, 1, 2, 3, 6, 12, 5])),
        begins=begins,
        restarts=begins is not None and draw(st.booleans()),
    )


def begins(today: date) -> st.SearchStrategy[date]:
    """Days on which a version may begin; one of them is refused."""
    return st.sampled_from([-BACKDATE_DAYS - 1, -BACKDATE_DAYS, -10, -3, -1, 0, 0, 1, 2, 40]).map(
        lambda days: today + timedelta(days=days)
    )


def through(today: date) -> st.SearchStrategy[date]:
    return st.sampled_from([0, 0, 1, 1, 1, 2, 6]).map(lambda days: today - timedelta(days=days))


def moments(meter: Meter, now: datetime) -> st.SearchStrategy[datetime]:
    """Whole seconds: mostly now, or on a day of the meter's life, or just before or after it; one is refused."""
    second = now.replace(microsecond=0)
    near = st.sampled_from([timedelta(), timedelta(), timedelta(seconds=-90), timedelta(minutes=9, seconds=59)])
    days = st.integers(-1, (now.date() - meter.born.date()).days).map(lambda days: meter.born.date() + timedelta(days))
    on_a_day = st.builds(datetime.combine, days, st.sampled_from(CLOCK))
    at_birth = st.just(meter.born.replace(microsecond=0))
    return st.one_of(near.map(second.__add__), near.map(second.__add__), on_a_day, on_a_day, at_birth)


@st.composite
def indexes(draw, books: Books, meter: Meter, moment: datetime) -> Decimal:
    """Between its neighbours in time, or on the end of a tier; sometimes too low or too high."""
    valid = books.valid(meter)
    lower = [meter.index, *(one.index for one in valid if one.moment <= moment)][-1]
    upper = next((one.index for one in valid if one.moment > moment), None)
    odd = draw(st.sampled_from([None] * 9 + ["lower", "higher"]))
    if odd:
        off = draw(st.sampled_from(OFF))
        return max(lower - off, Decimal(0)) if odd == "lower" else lower + off
    edges = [end for end in _ends_of_tiers(books, meter, moment.date()) if lower <= end <= lower + JUMP_LIMIT]
    aims = [lower + step for step in STEPS] + edges * 2
    if upper is not None:
        aims = [*(aim for aim in aims if aim <= upper), upper]
    return draw(st.sampled_from(aims))


def _ends_of_tiers(books: Books, meter: Meter, day: date) -> list[Decimal]:
    """The indexes at which the cycle stands on the end of a tier on `day`."""
    if day < meter.born.date():
        return []
    opening = [meter.index, *(one.index for one in books.valid(meter) if one.moment.date() < day)][-1]
    used = books.used_before(meter, day)
    tiers = books.version_on(meter.price_on(day), day).tiers
    return [opening + end - used for end, _ in tiers if end is not None]


@st.composite
def backfills(draw, books: Books, meter: Meter, now: datetime) -> tuple[Seen, ...]:
    """Ends of up to three days, with indexes that fit the readings known so far (not always each other)."""
    days = st.integers(-1, max((now.date() - meter.born.date()).days - 1, -1))
    chosen = draw(st.sets(days, max_size=draw(st.sampled_from([0, 0, 0, 3]))))
    ends = [datetime.combine(meter.born.date() + timedelta(days), time(23, 59, 59)) for days in sorted(chosen)]
    return tuple(Seen(end, draw(indexes(books, meter, end))) for end in ends)
