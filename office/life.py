"""Everything that a meter's page shows, read in a bounded number of queries."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Max
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _

from meters.models import Meter, MeterStatus
from office.charts import COLOURS, LINE, Chart, Series
from pricing.services import version_on
from readings.figures import current_price, figures_of
from readings.models import DailyUsage, Quality, Reading

DAYS: Final = 60


def life_of(meter: Meter, *, now: datetime) -> dict[str, Any]:
    """For the template: figures by who keeps the money (R11), the current price with its tiers, the chart."""
    today = timezone.localdate(now)
    price = current_price(meter)
    return {
        "figures": figures_of(meter, today=today),
        "price": price,
        "tiers": version_on(price, today).tiers.order_by("position"),
        "chart": usage_chart(meter, today=_last_day(meter, today)),
    }


def _last_day(meter: Meter, today: date) -> date:
    return timezone.localdate(meter.ended_at) if meter.status == MeterStatus.ENDED and meter.ended_at else today


def usage_chart(meter: Meter, *, today: date) -> Chart:
    """The last DAYS days: volume by tier as bars, the last valid index of each day as a line."""
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    volumes: dict[int, dict[date, Decimal]] = defaultdict(dict)
    for day, tier, volume in DailyUsage.objects.filter(meter=meter, day__range=(days[0], today)).values_list(
        "day", "tier", "volume"
    ):
        volumes[tier][day] = volume
    indexes = _indexes(meter, since=days[0], through=today)
    bars = [
        Series(
            label=_("tier %(n)d") % {"n": tier},
            values=[_number(volumes[tier].get(day)) for day in days],
            colour=COLOURS[(tier - 1) % len(COLOURS)],
        )
        for tier in sorted(volumes)
    ]
    index = Series(
        label=_("index"), values=[_number(indexes.get(day)) for day in days], colour=LINE, line=True, axis="y1"
    )
    return Chart(
        title=_("Daily usage and index, last %(n)d days") % {"n": DAYS},
        bottom=_("day"),
        left=_("usage (m³)"),
        right=_("index (m³)"),
        labels=[day.strftime("%m-%d") for day in days],
        series=[*bars, index],
        stacked=True,
        empty=not volumes and not indexes,
    )


def _indexes(meter: Meter, *, since: date, through: date) -> dict[date, Decimal]:
    first = timezone.make_aware(datetime.combine(since, datetime.min.time()))
    beyond = timezone.make_aware(datetime.combine(through + timedelta(days=1), datetime.min.time()))
    valid = Reading.objects.filter(meter=meter, quality=Quality.VALID, read_at__gte=first, read_at__lt=beyond)
    return dict(
        valid.annotate(day=TruncDate("read_at")).values("day").annotate(Max("index")).values_list("day", "index__max")
    )


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
