"""The latest valid reading of a meter, without a probe of every partition."""

from datetime import datetime, timedelta
from decimal import Decimal

from meters.models import Meter
from readings.models import Quality, Reading

# Nearly every meter has a valid reading within so many days: then two or three partitions are asked, not all.
RECENT_DAYS = 35


def last_valid(
    meter: Meter, *, before: datetime | None = None, near: datetime | None = None
) -> tuple[datetime, Decimal] | None:
    """Moment and index (m3) of the latest valid reading, of those `before` a moment (exclusive) when it is given.

    Without `before`, `near` is a moment at or about which there is one.
    """
    readings = Reading.objects.filter(meter=meter, quality=Quality.VALID).order_by("-read_at")
    if before is not None:
        readings = readings.filter(read_at__lt=before)
    columns = readings.values_list("read_at", "index")
    moment = before or near
    if moment is not None:
        found = columns.filter(read_at__gte=moment - timedelta(days=RECENT_DAYS)).first()
        if found is not None:
            return found
    return columns.first()
