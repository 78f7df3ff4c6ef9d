"""Answers to the queries 1013, 1014 and 1015, read as strictly as deployed clients read them (R3).

The known client keeps every value in a string field of a fixed class and fails on any other key.
"""

from typing import Any

from simulator.client import Answer


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


READINGS_KEYS = _keys("serialNo readingData")
READING_LIST_KEYS = _keys("total data")
READING_KEYS = _keys("userArchivesNum deviceId gasMeterNo readNum meterBalance readDate valveState sumGas sumMoney")
DETAIL_KEYS = _keys(
    "serialNo deviceId meterNo meterState setUpTime beseNum readingNum userName address userType valveState sumUseGas"
    " sumUseMoney sumRechargeAomunt balance price priceCode lastReadingTime lastRechargeAmount lastRechargeDate"
    " rechargeCount voltage signalStrength"
)
USAGE_KEYS = _keys("serialNo gasData")
USAGE_ROW_KEYS = _keys("useDate meterNo deviceId useGas useAmount price")


class AnswerMalformed(Exception):
    """An answer that a deployed client could not read."""


def readings_in(answer: Answer) -> int:
    """How many rows a 1013 answer has."""
    content = _object(answer.envelope.get("echoMsg"), READINGS_KEYS)
    reading_data = _object(content["readingData"], READING_LIST_KEYS)
    count = _row_count(reading_data["data"], READING_KEYS)
    if reading_data["total"] != str(count):
        raise AnswerMalformed(f"total is {reading_data['total']!r} with {count} rows")
    return count


def check_detail(answer: Answer) -> None:
    _row(answer.envelope.get("echoMsg"), DETAIL_KEYS)


def usage_rows_in(answer: Answer) -> int:
    """How many rows a 1015 answer has."""
    content = _object(answer.envelope.get("echoMsg"), USAGE_KEYS)
    return _row_count(content["gasData"], USAGE_ROW_KEYS)


def _row_count(rows: Any, keys: frozenset[str]) -> int:
    if not isinstance(rows, list):
        raise AnswerMalformed("rows are not a list")
    for row in rows:
        _row(row, keys)
    return len(rows)


def _row(value: Any, keys: frozenset[str]) -> None:
    for key, scalar in _object(value, keys).items():
        if not isinstance(scalar, str):
            raise AnswerMalformed(f"{key} is not a string")


def _object(value: Any, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerMalformed("not an object")
    if value.keys() != keys:
        raise AnswerMalformed(f"keys differ: {', '.join(sorted(value.keys() ^ keys))}")
    return value
