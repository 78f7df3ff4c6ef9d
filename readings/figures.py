"""The figures that a meter shows, by who keeps its money (R11)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Max

from meters.models import BillingModel, Meter
from pricing.models import Price
from pricing.schedule import price_day_of
from readings.usage import volume_since


@dataclass(frozen=True, slots=True)
class Figures:
    """Price in CNY/m3, balance and amount in CNY, volume in m3; None where nothing is known."""

    price: Decimal | None
    balance: Decimal | None
    volume: Decimal | None
    amount: Decimal | None


def figures_of(meter: Meter, *, today: date, price_now: Price | None = None) -> Figures:
    """1: what the meter reports. 2: what the CIS answered. 3: the platform's own account.

    `price_now` is its current price, for who knows it already.
    """
    state, account = meter.state, meter.account
    if meter.billing_model == BillingModel.METER:
        return Figures(state.reported_price, state.reported_balance, state.reported_volume, state.reported_amount)
    if meter.billing_model == BillingModel.CIS:
        price, balance = state.cis_price, state.cis_remaining
    else:
        price, balance = None, account.balance
    if price is None:
        price = tariff_price(meter, today=today, price_now=price_now)
    return Figures(price, balance, account.settled_volume, account.settled_amount)


def current_price(meter: Meter) -> Price:
    return meter.meter_prices.select_related("price").get(ends__isnull=True).price


def tariff_price(meter: Meter, *, today: date, price_now: Price | None = None) -> Decimal:
    """CNY/m3 of the tier that the meter has reached in its running cycle, as far as it is settled."""
    price = price_now or current_price(meter)
    last = price.versions.aggregate(last=Max("id"))["last"]
    on_day = price_day_of(price.pk, last, today)
    start = on_day.cycle_start
    # The account keeps the cycle of the last settled usage; any other is asked of the rows.
    used = meter.account.cycle_volume if meter.account.cycle_start == start else volume_since(meter, start)
    return on_day.unit_price_at(used)
