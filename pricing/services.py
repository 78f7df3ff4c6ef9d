"""Creating and adjusting prices (1007, R9), and asking what holds on a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction

from pricing.cycles import cycle_start
from pricing.models import Price, PriceKind, PriceTier, PriceVersion
from protocol.errors import EchoCode, FieldInvalid, ProtocolError, Refused
from protocol.models import Company, Manufacturer


class PriceExists(ProtocolError):
    code = EchoCode.PRICE_EXISTS

    def __init__(self) -> None:
        super().__init__("价格信息已存在")


class PriceUnknown(Refused):
    def __init__(self, code: str) -> None:
        super().__init__(f"价格 {code} 不存在")


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a version charges: unit prices in CNY/m3 and the ends in m3 of all tiers but the last."""

    kind: PriceKind
    unit_prices: Sequence[Decimal]
    ends: Sequence[Decimal]
    cycle_months: int


def find_price(*, company: Company, manufacturer: Manufacturer, code: str) -> Price:
    """Raises PriceUnknown (9999)."""
    price = Price.objects.filter(company=company, manufacturer=manufacturer, code=code).first()
    if price is None:
        raise PriceUnknown(code)
    return price


@transaction.atomic
def create_price(
    *, company: Company, manufacturer: Manufacturer, code: str, version: str, tariff: Tariff
) -> PriceVersion:
    """A new price, whose first version has no lower bound. Raises PriceExists (2004)."""
    try:
        with transaction.atomic():
            price = Price.objects.create(company=company, manufacturer=manufacturer, code=code)
    except IntegrityError:
        raise PriceExists from None
    return _add_version(price=price, version=version, tariff=tariff, effective_from=None, restarts_cycle=False)


@transaction.atomic
def adjust_price(
    *,
    company: Company,
    manufacturer: Manufacturer,
    code: str,
    version: str,
    tariff: Tariff,
    effective_from: date,
    restarts_cycle: bool,
    today: date,
) -> PriceVersion:
    """A version of an existing price that takes effect at the start of `effective_from`.

    Raises PriceUnknown, PriceExists for a version (or a begin date) that is there, FieldInvalid for a begin date
    more than PRICE_MAX_BACKDATE_DAYS in the past. Settlement finds a backdated version and settles again.
    """
    price = find_price(company=company, manufacturer=manufacturer, code=code)
    if effective_from < today - timedelta(days=settings.PRICE_MAX_BACKDATE_DAYS):
        raise FieldInvalid("priceBeginDate", "不能早于允许的最早日期")
    return _add_version(
        price=price,
        version=version,
        tariff=tariff,
        effective_from=effective_from,
        restarts_cycle=restarts_cycle,
    )


def _add_version(
    *, price: Price, version: str, tariff: Tariff, effective_from: date | None, restarts_cycle: bool
) -> PriceVersion:
    try:
        with transaction.atomic():
            row = PriceVersion.objects.create(
                price=price,
                version=version,
                kind=tariff.kind,
                effective_from=effective_from,
                cycle_months=tariff.cycle_months,
                restarts_cycle=restarts_cycle,
            )
    except IntegrityError:
        raise PriceExists from None
    lowers = [Decimal(0), *tariff.ends]
    uppers = [*tariff.ends, None]
    PriceTier.objects.bulk_create(
        PriceTier(version=row, position=position, lower=lower, upper=upper, unit_price=unit_price)
        for position, (lower, upper, unit_price) in enumerate(
            zip(lowers, uppers, tariff.unit_prices, strict=True), start=1
        )
    )
    return row


def version_on(price: Price, day: date) -> PriceVersion:
    """The version of `price` in effect on `day`; the first one has no lower bound, so there always is one."""
    return price.versions.in_effect(day)[0]


def cycle_start_on(price: Price, day: date) -> date:
    """First day of the cycle of `price` that holds `day`."""
    restarts = price.versions.in_effect(day).filter(restarts_cycle=True, effective_from__isnull=False)
    restarted_on = restarts.values_list("effective_from", flat=True).first()
    return cycle_start(day, months=version_on(price, day).cycle_months, restarted_on=restarted_on)


def unit_price_at(version: PriceVersion, used: Decimal) -> Decimal:
    """CNY/m3 of the tier that holds a cycle volume of `used` m3; an end belongs to the lower tier (R9)."""
    tiers = list(version.tiers.order_by("position"))
    return next(tier.unit_price for tier in tiers if tier.upper is None or used <= tier.upper)
