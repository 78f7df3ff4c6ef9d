"""Readers of answers that break."""


def breaks_on_lane_two(*, message, answer, now):
    if message.lane == 2:
        raise RuntimeError("cannot be read")


def breaks_on_all(*, answers, now):
    raise RuntimeError("cannot be read together")
