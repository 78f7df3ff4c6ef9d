"""Contenders take turns; medians, spreads and ratios come out of all rounds. No test here looks at a clock."""

import pytest

from benchmarks.frame import Contender, Goal, Role, Run, Sample, shown, spread


def quiet(**options):
    return Run(**{"size": 10, "rounds": 3, "quick": True, "say": lambda text: None, **options})


def giving(name, figures, role=Role.PROJECT, **options):
    remaining = iter(figures)
    return Contender(name=name, role=role, work=lambda: next(remaining), **options)


def test_contenders_take_turns_and_every_other_round_goes_backwards():
    order = []
    contenders = [
        Contender(
            name=name,
            role=Role.PEER,
            before=lambda name=name: order.append(f"before {name}"),
            work=lambda name=name: order.append(name),
            check=lambda name=name: order.append(f"check {name}"),
        )
        for name in "ab"
    ]
    quiet(rounds=2).compare("order", contenders)
    assert order == [
        *("before a", "a", "check a", "before b", "b", "check b"),
        *("before b", "b", "check b", "before a", "a", "check a"),
    ]


def test_the_ratio_is_that_of_one_round():
    measured = quiet().compare(
        "work",
        [giving("bare", [10.0, 30.0, 20.0], Role.FLOOR), giving("ours", [12.0, 45.0, 22.0])],
        goals=[goal := Goal(of="ours", against="bare", at_most=1.25)],
    )
    assert measured.median("bare") == 20.0
    assert measured.median("ours") == 22.0
    assert measured.judged(goal) == pytest.approx([1.2, 1.5, 1.1])


def test_work_that_returns_nothing_is_timed_and_may_tell_other_figures():
    measured = quiet(rounds=1).compare(
        "work", [Contender(name="ours", role=Role.PROJECT, work=lambda: {"memory MB": 40.0})]
    )
    assert measured.figures("ours")[0] >= 0
    assert measured.figures("ours", "memory MB") == [40.0]


def test_a_goal_may_bound_a_figure_beside_the_main_one():
    goal = Goal(of="ours", figure="memory MB", at_most=60)
    measured = quiet(rounds=2).compare(
        "work", [giving("ours", [Sample(1, {"memory MB": 50}), Sample(1, {"memory MB": 70})])], goals=[goal]
    )
    assert measured.judged(goal) == [50, 70]
    assert (goal.bound, goal.met(60), goal.met(61)) == ("<= 60", True, False)


def test_a_failing_check_ends_the_run():
    def wrong():
        raise RuntimeError("not the same rows")

    with pytest.raises(RuntimeError, match="not the same rows"):
        quiet().compare("work", [giving("ours", [1.0], check=wrong)])


def test_a_goal_against_who_was_left_out_is_no_goal():
    run = quiet(rounds=1)
    run.leave_out("peer", why="wrk is not installed")
    measured = run.compare("work", [giving("ours", [1.0])], goals=[Goal(of="ours", against="peer", at_least=1.0)])
    assert measured.goals == []
    assert run.left_out == [("peer", "wrk is not installed")]


@pytest.mark.parametrize(("figures", "expected"), [([2.0, 2.0], 0.0), ([1.0, 2.0, 3.0], 1.0), ([0.0], 0.0)])
def test_spread_is_the_range_over_the_median(figures, expected):
    assert spread(figures) == expected


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (3.14159, "3.14"), (12345.6, "12,346")])
def test_three_digits_are_shown(value, text):
    assert shown(value) == text
