"""What of a file of CSV may go the short way."""

import pytest

from readings.bulk_quick import has_odd_number


@pytest.mark.parametrize(
    "cell", ["0x1F", "0X1f", "0b11", "0B1", "0o17", "0O7", "1_000", ".5", "-.5", "+0b1", '"0b1"', " 0x1", "1.5_0"]
)
@pytest.mark.parametrize("ending", [",", "\n", "\r\n"])
def test_numbers_that_only_postgresql_knows(cell, ending):
    assert has_odd_number(f"1,000000000001,{cell}{ending}")


@pytest.mark.parametrize(
    "cell", ["0b3f00aa", "0b", "D_1", "A_1_2", "0xyz", "1.5", "-0.5", "", "B1", "0", "x.5", '"a,b"']
)
def test_what_is_no_number_of_its_own(cell):
    assert not has_odd_number(f"1,000000000001,{cell},0b2,2026-10-01T08:00:00+08:00,1.5000,open,,\n")
