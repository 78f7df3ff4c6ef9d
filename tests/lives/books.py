"""A company's meters as an accountant would keep them by hand, written from R7 and R9 to R12: slow, and plain to see.

All moments are naive local time, all numbers exact. What a meter's readings are worth is asked of the slow model of
settlement; nothing is shared with the code under test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from tests.readings.slow_model import Life, Row, Seen, Version, cycle_start, verdicts

ZERO = Decimal(0)
ONE_DAY = timedelta(days=1)
TOLERANCE = timedelta(minutes=10)


class Refusal(Exception):
    """The echoCode and the text of an answer that refuses."""

    def __init__(self, text: str, code: str = "9999") -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Report:
    """A 2001: its own reading, those of its addGas, and what it tells beside."""

    current: Seen
    backfill: tuple[Seen, ...] = ()
    valve: str = "open"
    told: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True)
class Payment:
    stream: str
    amount: Decimal
    moment: datetime


@dataclass(eq=False, kw_only=True, repr=False)
class Meter:
    """One registration. `rows` is its daily usage as last settled; from `due_from` on it is out of date."""

    user_no: str
    meter_no: str
    born: datetime
    index: Decimal
    billing_model: str
    prepaid: bool
    prices: list[tuple[date, str]]
    used_before: Decimal = ZERO
    overdraft: Decimal = ZERO
    replaces: "Meter | None" = None
    heir: "Meter | None" = None
    ended: datetime | None = None
    seen: list[Seen] = field(default_factory=list)
    decided: dict[Seen, str] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    watched: bool = False
    device_id: str = ""

    def __post_init__(self) -> None:
        self.due_from = self.born.date()
        self.settled_through = self.due_from - ONE_DAY

    def __repr__(self) -> str:
        return f"<{self.meter_no} at {self.user_no} since {self.born}>"

    @property
    def ours(self) -> bool:
        return self.billing_model == "3"

    @property
    def ancestors(self) -> list["Meter"]:
        return [*self.replaces.ancestors, self.replaces] if self.replaces else []

    @property
    def volume(self) -> Decimal:
        return sum((row.volume for row in self.rows), ZERO)

    @property
    def amount(self) -> Decimal:
        return sum((row.amount for row in self.rows), ZERO)

    @property
    def customer_payments(self) -> list[Payment]:
        """All that the customer paid, also for the meters before this one."""
        return [payment for meter in [*self.ancestors, self] for payment in meter.payments]

    @property
    def balance(self) -> Decimal:
        """A replaced meter keeps none: the last of its chain answers for all (R7, R11)."""
        if self.heir:
            return ZERO
        paid = sum((payment.amount for payment in self.customer_payments), ZERO)
        return paid - sum((meter.amount for meter in [*self.ancestors, self]), ZERO)

    @property
    def in_arrears(self) -> bool:
        asked = self.ours and self.prepaid and self.ended is None and self.watched
        return asked and self.balance + self.overdraft <= 0

    def price_on(self, day: date) -> str:
        return [code for start, code in self.prices if start <= day][-1]

    def becomes_due(self, day: date) -> None:
        self.due_from = min(self.due_from, max(day, self.born.date()))


class Books:
    """`prices`: the versions of each; `fresh`: those that no settlement has taken up yet."""

    def __init__(self, *, jump_limit: int, backdate_days: int) -> None:
        self.jump_limit, self.backdate_days = jump_limit, backdate_days
        self.prices: dict[str, list[Version]] = {}
        self.fresh: list[tuple[str, Version]] = []
        self.meters: list[Meter] = []

    @property
    def active(self) -> list[Meter]:
        return [meter for meter in self.meters if meter.ended is None]

    # What the messages do

    def create_price(self, code: str, version: Version) -> None:
        self.prices[code] = [version]

    def adjust_price(self, code: str, version: Version, *, today: date) -> None:
        if version.begins < today - timedelta(days=self.backdate_days):
            raise Refusal("priceBeginDate 不能早于允许的最早日期")
        if version.begins in [known.begins for known in self.prices[code]]:
            raise Refusal("价格信息已存在", "2004")
        self.prices[code].append(version)
        self.fresh.append((code, version))

    def register(self, meter: Meter, *, now: datetime) -> None:
        if meter.born > now + TOLERANCE:
            raise Refusal("sdateTime 不能晚于当前时间")
        if meter.user_no in [other.user_no for other in self.active]:
            raise Refusal(f"用户号 {meter.user_no} 已存在，表具注册失败！")
        if meter.meter_no in [other.meter_no for other in self.active]:
            raise Refusal(f"表号 {meter.meter_no} 已存在，表具注册失败！")
        self.meters.append(meter)

    def report(self, meter: Meter, report: Report, *, now: datetime) -> None:
        if report.current.moment > now + TOLERANCE:
            raise Refusal("readDate 抄见时间不能晚于当前时间")
        for one in report.backfill:
            if one.moment > now + TOLERANCE:
                raise Refusal(f"addGas 日期 {one.moment.date()} 尚未结束")
        readings = [*sorted(report.backfill, key=lambda one: one.moment), report.current]
        new = [one for one in dict.fromkeys(readings) if one not in meter.seen]
        if new:
            meter.seen += new
            meter.reports.append(report)
            meter.becomes_due(min(one.moment.date() for one in new))

    def decide(self, meter: Meter, reading: Seen, decision: str) -> None:
        """What the staff decide of a reading; all that replaced the meter count on from it."""
        before = self.judged(meter)[reading]
        if decision == meter.decided.get(reading, "") or (decision == "accepted" and before == "valid"):
            raise Refusal("nothing would change")
        kept, meter.decided = meter.decided, {**meter.decided, reading: decision}
        judged = self.judged(meter)
        closing = meter.seen[-1] if meter.ended else None
        if reading == closing or (decision == "accepted" and judged[reading] != "valid"):
            meter.decided = kept
            raise Refusal("it cannot count, or cannot but count")
        if closing and judged[closing] != "valid":
            meter.decided = kept
            raise Refusal("the closing reading would no longer count")
        one: Meter | None = meter
        while one:
            one.becomes_due(reading.moment.date())
            one = one.heir

    def change_price(self, meter: Meter, code: str, *, today: date) -> None:
        if meter.prices[-1][1] == code:
            return
        if meter.prices[-1][0] >= today:
            meter.prices[-1] = (meter.prices[-1][0], code)
        else:
            meter.prices.append((today, code))
        meter.due_from = min(meter.due_from, today)

    def recharge(self, meter: Meter, payment: Payment) -> None:
        if not meter.ours:
            raise Refusal("该厂商未配置采集前端，无法下发充值")
        if payment.stream in [earlier.stream for earlier in meter.payments]:
            raise Refusal(f"充值流水 {payment.stream} 重复")
        meter.payments.append(payment)
        meter.watched = True

    def deregister(self, meter: Meter, index: Decimal, *, now: datetime) -> None:
        self._end(meter, self._closing(meter, index, now=now, named="initNum"))

    def replace(self, old: Meter, number: str, closing: Decimal, opening: Decimal, *, now: datetime) -> Meter:
        if number in [other.meter_no for other in self.active if other is not old]:
            raise Refusal(f"新表号 {number} 已存在，表具更换失败！")
        last = self._closing(old, closing, now=now, named="oldNum")
        new = Meter(
            user_no=old.user_no,
            meter_no=number,
            born=now,
            index=opening,
            billing_model=old.billing_model,
            prepaid=old.prepaid,
            overdraft=old.overdraft,
            prices=[(now.date(), old.prices[-1][1])],
            replaces=old,
            watched=True,
        )
        self._end(old, last)
        old.heir = new
        self.meters.append(new)
        return new

    def _closing(self, meter: Meter, index: Decimal, *, now: datetime, named: str) -> Seen:
        last = Seen(now, index)
        judged = verdicts(self._life(meter), [*meter.seen, last], meter.decided)
        higher = [one for one, verdict in judged.items() if verdict == "valid" and one.index > index]
        if judged[last] == "decrease" or higher:
            raise Refusal(f"{named} 不能小于最近一次有效读数")
        if judged[last] != "valid":
            raise Refusal(f"{named} 超出合理范围")
        return last

    def _end(self, meter: Meter, last: Seen) -> None:
        meter.seen.append(last)
        meter.ended = last.moment
        meter.becomes_due(last.moment.date())
        for one in [*meter.ancestors, meter]:
            self._settle_meter(one, through=last.moment.date())

    # Settlement

    def settle(self, *, through: date) -> None:
        for code, version in [one for one in self.fresh if one[1].begins <= through]:
            self.fresh.remove((code, version))
            for meter in self.meters:
                starts = [start for start, end, held in _spans(meter) if held == code and end > version.begins]
                if starts:
                    meter.due_from = min(meter.due_from, max(version.begins, min(starts)))
        for meter in self.meters:
            self._settle_meter(meter, through=through)

    def _settle_meter(self, meter: Meter, *, through: date) -> None:
        last_day = meter.ended.date() if meter.ended else date.max
        if meter.due_from > min(through, last_day):
            return
        meter.settled_through = min(max(meter.settled_through, through), last_day)
        kept = [row for row in meter.rows if row.day < meter.due_from]
        meter.rows = kept + [row for row in self.true_rows(meter) if row.day >= meter.due_from]
        meter.due_from = meter.settled_through + ONE_DAY
        meter.watched = True

    def true_rows(self, meter: Meter) -> list[Row]:
        """The daily usage of every day settled so far, from nothing but readings and prices."""
        rows: list[Row] = []
        for day, volume in self.volumes(meter).items():
            if day <= meter.settled_through:
                version = self.version_on(meter.price_on(day), day)
                rows += _split(version, day, self.used_before(meter, day), volume)
        return rows

    def volumes(self, meter: Meter) -> dict[date, Decimal]:
        """m3 of every day of its life that has a valid reading, in order."""
        closing = {
            one.moment.date(): one.index for one in self.valid(meter) if not meter.ended or not _after(meter.ended, one)
        }
        days = list(closing)
        opening = [meter.index, *closing.values()]
        return {day: closing[day] - opening[number] for number, day in enumerate(days)}

    def valid(self, meter: Meter) -> list[Seen]:
        judged = self.judged(meter)
        return sorted((one for one in judged if judged[one] == "valid"), key=lambda one: one.moment)

    def judged(self, meter: Meter) -> dict[Seen, str]:
        return verdicts(self._life(meter), meter.seen, meter.decided)

    def version_on(self, code: str, day: date) -> Version:
        begun = [one for one in self.prices[code] if one.begins is None or one.begins <= day]
        return max(begun, key=lambda one: one.begins or date.min)

    def cycle_start_on(self, code: str, day: date) -> date:
        restarts = [one.begins for one in self.prices[code] if one.restarts and one.begins and one.begins <= day]
        return max([cycle_start(day, self.version_on(code, day).months), *restarts])

    def used_before(self, meter: Meter, day: date) -> Decimal:
        """What the cycle of `day` had used by its beginning, by this meter and those it replaced."""
        start = self.cycle_start_on(meter.price_on(day), day)
        used = ZERO
        for one in [*meter.ancestors, meter]:
            if one.replaces is None and one.born.date() >= start:
                used += one.used_before
            used += sum((volume for past, volume in self.volumes(one).items() if start <= past), ZERO)
        return used - sum((volume for late, volume in self.volumes(meter).items() if late >= max(day, start)), ZERO)

    def _life(self, meter: Meter) -> Life:
        return Life(meter.born, meter.index, meter.used_before, (), self.jump_limit)


def _after(ended: datetime, one: Seen) -> bool:
    return one.moment.date() > ended.date()


def _spans(meter: Meter) -> Iterator[tuple[date, date, str]]:
    ends = [start for start, _ in meter.prices[1:]]
    for (start, code), end in zip(meter.prices, [*ends, date.max], strict=True):
        yield start, end, code


def _split(version: Version, day: date, used: Decimal, volume: Decimal) -> Iterator[Row]:
    """A tier's part is what stands in it after the day less what stood in it before; the upper end is still its own."""
    lower = ZERO
    for tier, (end, unit_price) in enumerate(version.tiers, start=1):
        room = Decimal("Infinity") if end is None else end - lower
        part = min(max(used + volume - lower, ZERO), room) - min(max(used - lower, ZERO), room)
        stands_here = (used > lower or tier == 1) and (end is None or used <= end)
        if part > 0 or (volume == 0 and stands_here):
            yield Row(day, tier, part, unit_price, _rounded(part, unit_price))
        lower = end


def _rounded(volume: Decimal, unit_price: Decimal) -> Decimal:
    """To four decimals, half up."""
    return Decimal(floor(Fraction(volume) * Fraction(unit_price) * 10_000 + Fraction(1, 2))) / 10_000
