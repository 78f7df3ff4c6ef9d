"""The export as bare SQL, and Python's two usual ways of writing it: python -m benchmarks.export_rows copy|cursor

Both write CSV to standard output, from the database of DATABASE_URL. No Django here.
"""

import csv
import os
import sys

import psycopg

_COLUMNS = """c.code, f.factor_no, m.meter_no, m.user_no, m.device_id, r.read_at, r.index, r.quality, r.source,
    r.received_at, r.valve, r.battery_voltage, r.signal_percent, r.temperature, r.standard_total, r.working_total,
    r.standard_flow, r.working_flow, r.pressure, r.reported_price, r.reported_balance, r.reported_volume,
    r.reported_amount"""
_TABLES = """readings_reading r JOIN meters_meter m ON m.id = r.meter_id
    JOIN protocol_company c ON c.id = m.company_id JOIN protocol_manufacturer f ON f.id = m.manufacturer_id"""
# psql wants it in one line.
UNORDERED = " ".join(["SELECT", *_COLUMNS.split(), "FROM", *_TABLES.split()])
ORDERED = f"{UNORDERED} ORDER BY r.meter_id, r.read_at, r.index"
FETCHED = 5_000


def copied(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY ({ORDERED}) TO STDOUT (FORMAT csv)") as copy:
        for piece in copy:
            sys.stdout.buffer.write(piece)


def fetched(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    with connection.cursor(name="export") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(ORDERED)
        writer.writerows(cursor)


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as opened:
        {"copy": copied, "cursor": fetched}[sys.argv[1]](opened)
