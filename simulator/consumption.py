"""What a virtual household burns: a pure function of seed, meter and moment, in whole units of 0.0001 m3.

Nothing is remembered, so a restarted simulator continues exactly where it was, and two simulators agree without
talking. A day burns 0.5-6 m3, spread over its hours by the habit of the household.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate

from django.utils import timezone

from simulator.draws import draw

UNITS_PER_M3 = 10_000
EPOCH = date(2020, 1, 1)
DAY_SECONDS = 86_400

_PERMILLE_OF_MONTH = (1300, 1260, 1120, 1000, 900, 820, 770, 770, 860, 960, 1100, 1240)
_PERMILLE_OF_WEEKDAY = (950, 950, 950, 950, 980, 1100, 1120)
_WHOLE_WEIGHT = 1_000_000
_VARIATION_PERCENT = 15

# Shares of the 24 hours: out at noon; at home all day; late riser.
_HABITS = (
    (4, 3, 3, 3, 5, 18, 62, 78, 40, 14, 10, 18, 30, 18, 10, 10, 22, 72, 118, 96, 54, 34, 20, 9),
    (5, 4, 4, 4, 8, 30, 60, 58, 36, 22, 36, 84, 72, 26, 16, 18, 40, 88, 92, 56, 40, 28, 16, 8),
    (9, 6, 4, 3, 3, 6, 16, 36, 58, 62, 34, 40, 58, 44, 22, 18, 26, 58, 84, 98, 86, 66, 46, 24),
)

_weights: list[int] = [0]


@dataclass(frozen=True, slots=True)
class Household:
    """What sets one meter's consumption apart; `elapsed_shares[h]` is the share burnt before hour h."""

    key: str
    opening_units: int
    daily_units: int
    elapsed_shares: tuple[int, ...]


def household(*, seed: int, meter_no: str) -> Household:
    key = f"{seed}:{meter_no}"
    habit = _HABITS[draw(key, "habit", below=len(_HABITS))]
    return Household(
        key=key,
        opening_units=draw(key, "opening", below=200 * UNITS_PER_M3),
        daily_units=9_000 + draw(key, "daily", below=27_001),
        elapsed_shares=tuple(accumulate(habit, initial=0)),
    )


def index_units(home: Household, *, moment: datetime) -> int:
    """The register at `moment` (to the second); never falls. Before 2020 it stands still."""
    day = timezone.localtime(moment).date()
    before, after = _burnt_before(home, day), _burnt_before(home, day + timedelta(days=1))
    return home.opening_units + before + _share_of_day(home, after - before, _second_of_day(day, moment))


def end_of_day(day: date) -> datetime:
    """23:59:59, the moment that `addGas` speaks of."""
    return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))


def start_of_day(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _second_of_day(day: date, moment: datetime) -> int:
    """0-86399; a day of 23 or 25 hours is stretched, so that the register never runs backwards."""
    start = int(start_of_day(day).timestamp())
    length = int(start_of_day(day + timedelta(days=1)).timestamp()) - start
    elapsed = int(moment.replace(microsecond=0).timestamp()) - start
    return elapsed * DAY_SECONDS // length


def _share_of_day(home: Household, units: int, second: int) -> int:
    hour, rest = divmod(second, 3600)
    shares = home.elapsed_shares
    elapsed = shares[hour] * 3600 + (shares[hour + 1] - shares[hour]) * rest
    return units * elapsed // (shares[-1] * 3600)


def _burnt_before(home: Household, day: date) -> int:
    """Everything burnt from the epoch to the start of `day`.

    A day's own variation is the difference of two draws, each smaller than the smallest day: no sum over the
    days is needed, and no day is negative.
    """
    if day <= EPOCH:
        return 0
    variation = draw(home.key, day, below=home.daily_units * _VARIATION_PERCENT // 100)
    return home.daily_units * _weight_before(day) // _WHOLE_WEIGHT + variation


def _weight_before(day: date) -> int:
    days = (day - EPOCH).days
    while len(_weights) <= days:
        _weights.append(_weights[-1] + _weight_of(EPOCH + timedelta(days=len(_weights) - 1)))
    return _weights[days]


def _weight_of(day: date) -> int:
    return _PERMILLE_OF_MONTH[day.month - 1] * _PERMILLE_OF_WEEKDAY[day.weekday()]
