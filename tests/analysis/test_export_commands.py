"""`manage.py export_readings` and `export_usage`: files that are complete or not there, clear errors."""

import gzip
import io
import sys
from types import SimpleNamespace

import pyarrow.parquet as pyarrow_parquet
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from analysis import copying, files
from analysis.tables import READINGS
from readings.models import Quality
from tests.admin.rows import make_everything


@pytest.fixture
def rows(db):
    return make_everything()


def test_a_file(rows, tmp_path):
    path = tmp_path / "readings.csv"
    call_command("export_readings", str(path), "--quality", "flagged", "--bom")
    lines = path.read_bytes().decode("utf-8-sig").splitlines()
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert len(lines) == 1 + 2 * (len(Quality) - 1)
    assert list(tmp_path.iterdir()) == [path]


def test_any_order(rows, tmp_path):
    """The same rows, and nobody asked PostgreSQL to sort them."""
    written = {}
    for options in ((), ("--any-order",)):
        with CaptureQueriesContext(connection) as queries:
            call_command("export_readings", str(tmp_path / "readings.csv"), *options)
        written[options] = (tmp_path / "readings.csv").read_text().splitlines()
        copies = [query["sql"] for query in queries if query["sql"].startswith("COPY")]
        assert ["ORDER BY" in copy for copy in copies] == [not options]
    assert sorted(written[()]) == sorted(written[("--any-order",)])
    assert len(written[()]) == 1 + 2 * len(Quality)


def test_standard_output(rows, monkeypatch):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    call_command("export_usage", "--gzip", "--user", "U000001")
    assert gzip.decompress(out.getvalue()).decode().splitlines()[1:] == [
        "10001,0030,000000000001,U000001,D000001,2026-01-31,1,10.0000,1.0000,10.0000",
        "10001,0030,000000000001,U000001,D000001,2026-01-31,2,10.0000,2.0000,20.0000",
    ]


def test_parquet_has_types(rows, tmp_path):
    path = tmp_path / "usage.parquet"
    call_command("export_usage", str(path), "--parquet")
    table = pyarrow_parquet.read_table(path)
    assert table.num_rows == 4
    assert str(table.schema.field("volume").type) == "decimal128(20, 4)"
    assert str(table.schema.field("day").type) == "date32[day]"
    assert table.column("tier").to_pylist() == [1, 2, 1, 2]


def test_parquet_without_rows(rows, tmp_path):
    path = tmp_path / "usage.parquet"
    call_command("export_usage", str(path), "--parquet", "--company", "nobody")
    assert pyarrow_parquet.read_table(path).num_rows == 0


def test_parquet_without_its_package(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.parquet.PACKAGE", "no_such_package_at_all")
    with pytest.raises(CommandError, match="Parquet needs the package pyarrow"):
        call_command("export_usage", str(tmp_path / "x"), "--parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "never"], "from: Not a moment"),
        (["--quality", "fine"], "quality: Select a valid choice"),
        (["--parquet"], "written to a file"),
        (["/nowhere/at/all/x.csv"], "There is no directory /nowhere/at/all"),
    ],
)
def test_what_is_wrong_is_said(rows, arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("export_readings", *arguments)


def test_a_failure_leaves_the_old_file_and_nothing_else(rows, tmp_path, monkeypatch):
    path = tmp_path / "readings.csv"
    path.write_text("old")

    def broken(*args, **kwargs):
        yield b"half"
        raise DatabaseError("gone")

    monkeypatch.setattr(files, "csv_pieces", broken)
    with pytest.raises(CommandError, match="gone"):
        call_command("export_readings", str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_pieces_stay_small(rows, monkeypatch):
    monkeypatch.setattr(copying, "PIECE_BYTES", 100)
    told = []
    pieces = list(copying.csv_pieces(READINGS.rows(user=None), table=READINGS, shape=copying.Shape(), told=told.append))
    assert told[-1] == 2 * len(Quality)
    assert told == sorted(told)
    assert len(pieces) > 5
