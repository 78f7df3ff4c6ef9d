"""Fields are read without DRF's way to them: with what DRF would find, and in DRF's words when something is wrong."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.errors import FieldInvalid
from readings.serializers import ReportSerializer

GOOD = {
    "serialNo": "serial-1",
    "companyCode": "10001058",
    "factorNo": "0025",
    "userNo": "188011110128",
    "deviceId": "device",
    "meterNo": "188011110128",
    "billingModel": "3",
    "readNum": "12.5",
    "sumUseGas": "1",
    "sumUseAmount": "2.5000",
    "readDate": "20260301",
    "readTime": "120000",
    "batteryCap": "6.14",
    "semaphore": "59.0%",
    "temperature": "-3.5",
    "valveState": "2",
    "curPrice": "1.4",
    "sdateTime": "2026-03-01",
}
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "-0",
            "-1",
            "1e3",
            "1.00000",
            "99999999999",
            "50%",
            "5 %",
            "%",
            "１２",
            "\x00",
            "\ud800",
            "x" * 70,
        ]
    ),
    st.sampled_from(["20260230", "2026-03-01", "2026-3-1", "19691231", "99990101", "20260301120000", "202603011200"]),
    st.sampled_from(["2026-03-01 12:00:00", "2026-03-01T12:00:00", "2026-W10-1", "１2:00:00", "120060", "12:00:60"]),
    st.sampled_from(["120000", "12:00:00", "12:0000", "1200:00", "1:02:03 ", " 12000", "240000", "235959", "12000"]),
    st.text(max_size=20),
    st.from_regex(r"[0-9+-]?[0-9]{1,12}(\.[0-9]{0,5})?", fullmatch=True),
)
VALUES = st.one_of(TEXTS, TEXTS.map(lambda text: f" {text} "), st.none(), st.booleans(), st.lists(st.text()))
# A message with some of its fields changed or left out, and keys that nobody knows.
MESSAGES = st.dictionaries(st.sampled_from([*GOOD, "pressureValue", "addGas", "surprise"]), VALUES, max_size=4).flatmap(
    lambda changed: st.sets(st.sampled_from(sorted(GOOD)), max_size=2).map(
        lambda left_out: {name: value for name, value in {**GOOD, **changed}.items() if name not in left_out}
    )
)


def found(message: dict[str, Any], *, at_once: bool) -> Any:
    serializer = ReportSerializer(data=message)
    if not at_once:
        serializer._read_at_once = lambda: None  # type: ignore[method-assign]
    try:
        return serializer.parse()
    except FieldInvalid as error:
        return error.message


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MESSAGES)
def test_both_ways_find_the_same(message):
    assert found(message, at_once=True) == found(message, at_once=False)


def test_a_good_message_is_read_without_drf(monkeypatch):
    monkeypatch.setattr(ReportSerializer, "is_valid", lambda self: 1 / 0)
    assert ReportSerializer(data=GOOD).parse()["userNo"] == "188011110128"
