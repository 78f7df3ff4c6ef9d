"""What a report does (2001, R10): stored and never altered, judged, and the meter's state kept up to date."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from meters.models import Account, MeterState
from protocol.errors import FieldInvalid
from readings.models import Reading
from tests.readings.books import NOW, account, make_meter, make_price, qualities, read, settle_through, usage
from tests.world import local


@pytest.fixture
def meter(world):
    """In service since 1 March 2025, 08:00, with index 100."""
    make_price(world)
    return make_meter(world, born="2025-03-01 08:00:00", index=100)


def everything(meter):
    return (
        list(Reading.objects.values()),
        list(MeterState.objects.values()),
        list(Account.objects.values()),
        usage(meter),
    )


def test_the_same_reading_again_is_accepted_silently(meter):
    first = read(meter, "2025-03-02 12:00:00", 110, telemetry={"battery_voltage": Decimal(6)})
    before = everything(meter)
    again = read(meter, "2025-03-02 12:00:00", "110.0000", telemetry={"battery_voltage": Decimal(5)})
    assert (len(first.stored), len(again.stored)) == (1, 0)
    assert everything(meter) == before


def test_a_repeat_makes_no_settled_day_due_again(meter):
    read(meter, "2025-03-02 12:00:00", 110)
    settle_through("2025-03-05")
    before = everything(meter)
    read(meter, "2025-03-02 12:00:00", 110)
    assert everything(meter) == before


def test_another_index_at_the_same_moment_is_kept_and_flagged(meter):
    read(meter, "2025-03-02 12:00:00", 110)
    read(meter, "2025-03-02 12:00:00", 111)
    read(meter, "2025-03-02 12:00:00", 109)
    assert qualities(meter) == [
        ("2025-03-02 12:00:00", "110", "valid"),
        ("2025-03-02 12:00:00", "111", "conflict"),
        ("2025-03-02 12:00:00", "109", "conflict"),
    ]
    settle_through("2025-03-02")
    assert usage(meter) == [("2025-03-02", 1, "10", "1.4", "14")]


@pytest.mark.parametrize(
    ("index", "verdict"), [("109.9999", "decrease"), ("110", "valid"), ("110.0001", "valid"), ("0", "decrease")]
)
def test_an_index_below_an_earlier_one_is_flagged(meter, index, verdict):
    read(meter, "2025-03-02 12:00:00", 110)
    read(meter, "2025-03-03 12:00:00", index)
    assert qualities(meter)[1] == ("2025-03-03 12:00:00", index, verdict)


def test_an_index_below_the_initial_one_is_flagged(meter):
    read(meter, "2025-03-01 08:00:00", "99.9999")
    read(meter, "2025-03-01 08:00:01", 100)
    assert [verdict for _, _, verdict in qualities(meter)] == ["decrease", "valid"]


def test_the_opening_index_is_no_reading_to_conflict_with(meter):
    read(meter, "2025-03-01 08:00:00", 105)
    read(meter, "2025-03-01 08:00:00", 106)
    assert [verdict for _, _, verdict in qualities(meter)] == ["valid", "conflict"]


def test_after_a_flagged_reading_the_last_valid_one_counts(meter):
    for hour, index in ((1, 110), (2, 90), (3, 111), (4, 110), (5, 111)):
        read(meter, f"2025-03-02 0{hour}:00:00", index)
    assert [verdict for _, _, verdict in qualities(meter)] == ["valid", "decrease", "valid", "decrease", "valid"]


@pytest.mark.parametrize(
    ("moment", "index", "verdict"),
    [
        ("2025-03-02 12:00:01", "160", "valid"),
        ("2025-03-02 12:00:01", "160.0001", "jump"),
        ("2025-03-03 12:00:00", "160", "valid"),
        ("2025-03-03 12:00:00", "160.0001", "jump"),
        ("2025-03-03 12:00:01", "210", "valid"),
        ("2025-03-03 12:00:01", "210.0001", "jump"),
        ("2025-04-01 12:00:00", "1610", "valid"),
        ("2025-04-01 12:00:00", "1610.0001", "jump"),
    ],
)
def test_a_jump_beyond_the_limit_per_day_elapsed_is_flagged(meter, settings, moment, index, verdict):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 50
    read(meter, "2025-03-02 12:00:00", 110)
    read(meter, moment, index)
    assert [quality for _, _, quality in qualities(meter)] == ["valid", verdict]


def test_the_first_reading_jumps_from_the_opening_index(meter, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 50
    read(meter, "2025-03-03 08:00:00", "200.0001")
    read(meter, "2025-03-03 08:00:01", "250")
    assert [quality for _, _, quality in qualities(meter)] == ["jump", "valid"]


def test_a_jump_heals_when_enough_days_have_passed(meter, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 50
    read(meter, "2025-03-02 08:00:00", 300)
    read(meter, "2025-03-05 08:00:00", 301)
    read(meter, "2025-03-06 08:00:00", 302)
    assert [quality for _, _, quality in qualities(meter)] == ["jump", "jump", "valid"]
    settle_through("2025-03-06")
    assert usage(meter)[-1][0] == "2025-03-06"
    assert account(meter)["settled_volume"] == 202


def test_a_reading_from_before_the_meters_life_is_kept_and_flagged(meter):
    read(meter, "2025-03-01 07:59:59", 100)
    assert qualities(meter) == [("2025-03-01 07:59:59", "100", "early")]
    settle_through("2025-03-01")
    assert usage(meter) == []
    state = MeterState.objects.get(meter=meter)
    assert (state.read_at, state.index, state.reported_at, state.valve) == (None, None, None, "unknown")


def test_a_reading_of_the_first_moment_counts(meter):
    read(meter, "2025-03-01 08:00:00", 101)
    settle_through("2025-03-01")
    assert usage(meter) == [("2025-03-01", 1, "1", "1.4", "1.4")]


def test_ten_minutes_ahead_are_taken_and_no_second_more(meter):
    read(meter, NOW + timedelta(seconds=600), 101, now=NOW)
    before = everything(meter)
    with pytest.raises(FieldInvalid, match="readDate"):
        read(meter, NOW + timedelta(seconds=601), 102, now=NOW)
    assert everything(meter) == before


def test_a_reading_in_the_future_stores_nothing_of_its_report(meter):
    before = everything(meter)
    with pytest.raises(FieldInvalid, match="readDate"):
        read(meter, NOW + timedelta(days=1), 110, backfill={"2025-03-02": 105})
    assert everything(meter) == before


def test_a_late_reading_is_judged_in_its_place(meter):
    read(meter, "2025-03-05 12:00:00", 150)
    read(meter, "2025-03-03 12:00:00", 160)
    read(meter, "2025-03-04 12:00:00", 155)
    assert qualities(meter) == [
        ("2025-03-03 12:00:00", "160", "valid"),
        ("2025-03-04 12:00:00", "155", "decrease"),
        ("2025-03-05 12:00:00", "150", "decrease"),
    ]


def test_a_late_reading_flips_later_ones_back_to_valid(meter, settings):
    settings.READING_JUMP_LIMIT_M3_PER_DAY = 50
    read(meter, "2025-03-02 07:00:00", 190)
    read(meter, "2025-03-02 08:00:00", 195)
    assert [quality for _, _, quality in qualities(meter)] == ["jump", "jump"]
    read(meter, "2025-03-01 20:00:00", 145)
    assert [quality for _, _, quality in qualities(meter)] == ["valid", "valid", "valid"]
    settle_through("2025-03-02")
    assert [row[:3] for row in usage(meter)] == [
        ("2025-03-01", 1, "45"),
        ("2025-03-02", 1, "5"),
        ("2025-03-02", 2, "45"),
    ]


def test_what_was_reported_is_never_altered_by_later_verdicts(meter):
    read(meter, "2025-03-05 12:00:00", 150, telemetry={"battery_voltage": Decimal("6.14")})
    before = Reading.objects.values().get()
    read(meter, "2025-03-03 12:00:00", 160)
    assert Reading.objects.filter(pk=before["id"]).values().get() == {**before, "quality": "decrease"}


def test_meters_do_not_mix(world, meter):
    other = make_meter(world, "000000000002", born="2025-03-01 08:00:00")
    read(other, "2025-03-02 12:00:00", 500)
    read(meter, "2025-03-02 12:00:00", 500)
    read(meter, "2025-03-03 12:00:00", 501)
    read(other, "2025-03-03 12:00:00", 499)
    assert [quality for _, _, quality in qualities(meter)] == ["valid", "valid"]
    assert [quality for _, _, quality in qualities(other)] == ["valid", "decrease"]


def test_the_state_follows_the_newest_report(meter):
    read(meter, "2025-03-03 12:00:00", 120, valve="open", telemetry={"battery_voltage": Decimal("6.1")})
    read(meter, "2025-03-02 12:00:00", 110, valve="closed", telemetry={"battery_voltage": Decimal("6.3")})
    state = MeterState.objects.get(meter=meter)
    assert (state.read_at, state.index) == (local("2025-03-03 12:00:00"), 120)
    assert (state.reported_at, state.valve) == (local("2025-03-03 12:00:00"), "open")
    assert state.battery_voltage == Decimal("6.1")


def test_a_flagged_report_tells_of_the_valve_but_not_of_the_index(meter):
    read(meter, "2025-03-03 12:00:00", 120, valve="open")
    read(meter, "2025-03-04 12:00:00", 90, valve="closed")
    state = MeterState.objects.get(meter=meter)
    assert (state.read_at, state.index) == (local("2025-03-03 12:00:00"), 120)
    assert (state.reported_at, state.valve) == (local("2025-03-04 12:00:00"), "closed")


def test_the_state_goes_back_when_the_newest_reading_becomes_invalid(meter):
    read(meter, "2025-03-05 12:00:00", 120)
    read(meter, "2025-03-03 12:00:00", 130)
    state = MeterState.objects.get(meter=meter)
    assert (state.read_at, state.index) == (local("2025-03-03 12:00:00"), 130)


def test_a_reading_makes_its_day_due_and_no_earlier_one(meter):
    settle_through("2025-03-20")
    read(meter, "2025-03-12 12:00:00", 120)
    assert account(meter)["unsettled_from"] == date(2025, 3, 12)
    read(meter, "2025-03-15 12:00:00", 121)
    assert account(meter)["unsettled_from"] == date(2025, 3, 12)


def test_a_late_reading_is_carried_past_flagged_ones_that_stay_flagged(meter):
    read(meter, "2025-03-05 12:00:00", 90)
    read(meter, "2025-03-06 12:00:00", 150)
    read(meter, "2025-03-04 12:00:00", 160)
    assert qualities(meter) == [
        ("2025-03-04 12:00:00", "160", "valid"),
        ("2025-03-05 12:00:00", "90", "decrease"),
        ("2025-03-06 12:00:00", "150", "decrease"),
    ]
