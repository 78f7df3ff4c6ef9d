from analysis.management.export_command import ExportCommand
from analysis.tables import DAILY_USAGE


class Command(ExportCommand):
    help = "Export daily usage, by meter and day, as CSV or Parquet."
    table = DAILY_USAGE
