"""Price cycles (R9): blocks of whole months counted from January 2000, restarted by a version that says so."""

from datetime import date

# The same rule as SQL, for statements that work on many days at once. Whole numbers are fast: the months since the
# block began are taken off. Takes {day} and {months}, both SQL expressions.
CYCLE_BLOCK_SQL = """
    (date_trunc('month', {day}::timestamp) - make_interval(months => mod(
        date_part('year', {day})::int * 12 + date_part('month', {day})::int - 24001 + 24000 * {months},
        {months}::int)))::date
"""


def block_start(day: date, *, months: int) -> date:
    """First day of the calendar-aligned block of `months` months that holds `day`."""
    index = (day.year - 2000) * 12 + day.month - 1
    first = index // months * months
    return date(2000 + first // 12, first % 12 + 1, 1)


def cycle_start(day: date, *, months: int, restarted_on: date | None) -> date:
    """First day of the cycle that holds `day`; `restarted_on` is the last restart at or before it."""
    start = block_start(day, months=months)
    return start if restarted_on is None else max(start, restarted_on)
