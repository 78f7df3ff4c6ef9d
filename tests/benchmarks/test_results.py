"""What is written: one JSON file per section, one table of all."""

import json
from datetime import date

from benchmarks import results
from benchmarks.frame import Contender, Goal, Role, Run, Section

MACHINE = {
    "cores": 2,
    "memory_gb": 8,
    "load_at_start": 0.1,
    "python": "3.11.7",
    "postgresql": "15.4",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
}


def measure(run):
    bare = Contender(name="bare", role=Role.FLOOR, work=lambda: 2.0)
    ours = Contender(name="ours", role=Role.PROJECT, work=lambda: 5.0)
    run.compare(
        "Work",
        [bare, ours],
        goals=[Goal(of="ours", against="bare", at_most=3), Goal(of="ours", against="bare", at_most=2)],
    )
    run.leave_out("a peer", why="wrk is not installed")
    run.note("Half of it is parsing.")
    run.observe("One host cut off", {"lost": 0})


SECTION = Section(letter="X", name="work", title="Some work", counted="meters", full=1000, quick=10, measure=measure)


def result_of(section=SECTION):
    run = Run(size=10, rounds=3, quick=True, say=lambda text: None)
    run.machine = MACHINE
    section.measure(run)
    return results.content(section, run, day=date(2026, 3, 17))


def test_a_result_holds_figures_ratios_and_what_was_left_out():
    result = result_of()
    comparison = result["comparisons"][0]
    assert comparison["contenders"][1] == {
        "name": "ours",
        "role": "project",
        "median": 5.0,
        "spread": 0.0,
        "figures": [5.0, 5.0, 5.0],
        "beside": {},
    }
    assert comparison["goals"][0] == {
        "what": "Work: ours / bare",
        "value": 2.5,
        "lowest": 2.5,
        "highest": 2.5,
        "goal": "<= 3",
        "met": True,
    }
    assert result["left_out"] == [{"what": "a peer", "why": "wrk is not installed"}]
    assert results.goals_missed(result) == ["Work: ours / bare: 2.5, goal <= 2"]


def test_the_table_is_made_of_all_files(tmp_path):
    results.write(tmp_path, result_of())
    text = results.write_table(tmp_path)
    assert json.loads((tmp_path / "work.json").read_text())["size"] == 10
    assert (tmp_path / "README.md").read_text() == text
    lines = text.splitlines()
    assert "| X | Work: ours / bare | **2.5** (2.5 – 2.5) | <= 3 | yes |" in lines
    assert "| X | Work: ours / bare | **2.5** (2.5 – 2.5) | <= 2 | NO |" in lines
    assert "| floor | bare | 2 | 0% |  |" in lines
    assert "**Left out:** a peer: wrk is not installed" in lines
    assert "Half of it is parsing." in lines
    assert "| lost | 0 |" in lines
