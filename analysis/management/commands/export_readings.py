from analysis.management.export_command import ExportCommand
from analysis.tables import READINGS


class Command(ExportCommand):
    help = "Export readings, by meter and time, as CSV or Parquet."
    table = READINGS
