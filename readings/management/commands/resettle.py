from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from meters.models import Meter
from pricing.models import Price
from protocol.wire import decimal_text
from readings.resettlement import Change, meters_with_price, resettle


class Command(BaseCommand):
    help = "Settle a meter, or all meters of a price, from a day on again; print every day that changes."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--meter", metavar="NO", help="meter number; all its registrations")
        what.add_argument("--price", metavar="CODE", help="all meters that had this price on one of the days")
        parser.add_argument("--from", dest="begins", type=date.fromisoformat, required=True, metavar="DATE")
        parser.add_argument("--company", metavar="CODE", help="where a number or price is not unique")
        parser.add_argument("--factor", metavar="NO", help="where a number or price is not unique")
        parser.add_argument("--dry-run", action="store_true", help="only print what would change")

    def handle(self, *args: Any, begins: date, dry_run: bool, **options: Any) -> None:
        now = timezone.now()
        if begins > timezone.localdate(now):
            raise CommandError(f"--from {begins} lies in the future")
        self._days = 0
        resettle(
            self._meters(begins=begins, **options),
            begins=begins,
            through=timezone.localdate(now) - timedelta(days=1),
            now=now,
            tell=self._tell,
            dry_run=dry_run,
        )
        self.stdout.write(f"{self._days} days {'would change' if dry_run else 'changed'}")

    def _meters(self, *, begins: date, **options: Any) -> QuerySet[Meter]:
        if options["price"] is not None:
            prices = self._scoped(Price.objects.filter(code=options["price"]), options)
            return meters_with_price(self._one(prices, f"price {options['price']}"), begins=begins)
        meters = self._scoped(Meter.objects.filter(meter_no=options["meter"]), options)
        owners = meters.values_list("company", "manufacturer").distinct()
        self._one(owners, f"meter {options['meter']}")
        return meters

    def _scoped(self, rows: QuerySet[Any], options: dict[str, Any]) -> QuerySet[Any]:
        if options["company"]:
            rows = rows.filter(company__code=options["company"])
        if options["factor"]:
            rows = rows.filter(manufacturer__factor_no=options["factor"])
        return rows

    def _one(self, rows: QuerySet[Any], what: str) -> Any:
        found = list(rows[:2])
        if not found:
            raise CommandError(f"no such {what}")
        if len(found) > 1:
            raise CommandError(f"{what} is not unique: name --company and --factor")
        return found[0]

    def _tell(self, change: Change) -> None:
        self._days += 1
        old = f"{decimal_text(change.old_volume)} m3 {decimal_text(change.old_amount)} CNY"
        new = f"{decimal_text(change.new_volume)} m3 {decimal_text(change.new_amount)} CNY"
        self.stdout.write(f"{change.meter_no} {change.day}: {old} -> {new}")
