"""What 1013, 1014, 1015 and the figures in the answer to 2001 must be by the books (R3, R8, R10, R11)."""

from datetime import date, datetime
from decimal import Decimal

from tests.lives.books import ZERO, Books, Meter, Report
from tests.readings.slow_model import Seen


def fleet(books: Books, *, day: date | None = None) -> list[dict[str, str]]:
    """1013: the latest valid reading of every active meter that has one, up to the end of `day`."""
    rows = []
    for meter in books.active:
        shown = [one for one in books.valid(meter) if day is None or one.moment.date() <= day]
        if shown:
            rows.append(_fleet_row(meter, shown[-1], day=day))
    return rows


def _fleet_row(meter: Meter, shown: Seen, *, day: date | None) -> dict[str, str]:
    report = _latest_report(meter) if day is None else _report_of(meter, shown)
    told = dict(report.told) if report else {}
    rows = [row for row in meter.rows if day is None or row.day <= day]
    volume, amount = (sum((getattr(row, name) for row in rows), ZERO) for name in ("volume", "amount"))
    balance = {"1": told.get("meterBalance", ZERO), "2": ZERO, "3": meter.balance}[meter.billing_model]
    if meter.billing_model == "1":
        volume, amount = told.get("sumUseGas", ZERO), told.get("sumUseAmount", ZERO)
    return {
        "userArchivesNum": meter.user_no,
        "deviceId": meter.device_id,
        "gasMeterNo": meter.meter_no,
        "readNum": plain(shown.index),
        "readDate": f"{shown.moment:%Y-%m-%d %H:%M:%S}",
        "meterBalance": plain(balance),
        "valveState": {"open": "0", "closed": "1"}.get(report.valve if report else "", "2"),
        "sumGas": plain(volume),
        "sumMoney": plain(amount),
    }


def _latest_report(meter: Meter) -> Report | None:
    """The latest in time, of those that brought something new from the meter's life; among equals the last to come."""
    own = [report for report in meter.reports if report.current.moment >= meter.born]
    return max(reversed(own), key=lambda report: report.current.moment, default=None)


def _report_of(meter: Meter, shown: Seen) -> Report | None:
    """The report that brought this reading as its own; one that came as the end of a day tells nothing beside."""
    for report in meter.reports:
        if shown in report.backfill:
            return None
        if report.current == shown:
            return report
    return None


def detail(books: Books, meter: Meter, *, now: datetime) -> dict[str, str]:
    """1014, without serialNo."""
    valid = books.valid(meter)
    report = _latest_report(meter)
    payments = meter.customer_payments
    price, balance, volume, amount = figures(books, meter, today=now.date())
    return {
        "deviceId": meter.device_id,
        "meterNo": meter.meter_no,
        "meterState": "2",
        "setUpTime": str(meter.born.date()),
        "beseNum": plain(meter.index),
        "readingNum": plain(valid[-1].index if valid else meter.index),
        "userName": "",
        "address": "",
        "userType": "",
        "valveState": {"open": "1", "closed": "2"}.get(report.valve if report else "", "3"),
        "sumUseGas": plain(volume),
        "sumUseMoney": plain(amount),
        "sumRechargeAomunt": plain(sum((payment.amount for payment in payments), ZERO)),
        "balance": plain(balance),
        "price": "" if price is None else plain(price),
        "priceCode": meter.prices[-1][1],
        "lastReadingTime": f"{valid[-1].moment:%Y-%m-%d %H:%M:%S}" if valid else "",
        "lastRechargeAmount": plain(payments[-1].amount if payments else ZERO),
        "lastRechargeDate": f"{payments[-1].moment:%Y-%m-%d %H:%M:%S}" if payments else "",
        "rechargeCount": str(len(payments)),
        "voltage": "6" if report else "",
        "signalStrength": "59%" if report else "",
    }


def figures(books: Books, meter: Meter, *, today: date) -> tuple[Decimal | None, Decimal | None, Decimal, Decimal]:
    """Price, balance, volume and amount, by who keeps the money."""
    if meter.billing_model == "1":
        report = _latest_report(meter)
        told = dict(report.told) if report else {}
        names = ("curPrice", "meterBalance", "sumUseGas", "sumUseAmount")
        return tuple(told.get(name, None if name == "curPrice" else ZERO) for name in names)
    balance = meter.balance if meter.ours else ZERO
    return shown_price(books, meter, today=today), balance, meter.volume, meter.amount


def shown_price(books: Books, meter: Meter, *, today: date) -> Decimal:
    """That of the tier which the running cycle has reached, as far as settled; an end is still the lower tier's."""
    code = meter.prices[-1][1]
    start = books.cycle_start_on(code, today)
    first = [*meter.ancestors, meter][0]
    used = first.used_before if first.born.date() >= start else ZERO
    for one in [*meter.ancestors, meter]:
        used += sum((row.volume for row in one.rows if row.day >= start), ZERO)
    tiers = books.version_on(code, today).tiers
    return next(unit_price for end, unit_price in tiers if end is None or used <= end)


def usage(meters: list[Meter], *, first: date, last: date) -> list[dict[str, str]]:
    """1015: by day, then by meter in the order of the replacements, then by tier."""
    rows = [(row.day, number, row) for number, meter in enumerate(meters) for row in meter.rows]
    return [
        {
            "useDate": str(day),
            "price": plain(row.unit_price),
            "useGas": plain(row.volume),
            "useAmount": plain(row.amount),
            "deviceId": meters[number].device_id,
            "meterNo": meters[number].meter_no,
        }
        for day, number, row in sorted(rows, key=lambda one: (one[0], one[1], one[2].tier))
        if first <= day <= last
    ]


def plain(number: Decimal) -> str:
    """12.5000 -> "12.5", 300 -> "300", -0 -> "0"."""
    return f"{number.normalize():f}" if number else "0"
