"""python -m benchmarks: one section, tiny, on the server of the tests."""

import argparse
import json
import os
import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import registry
from benchmarks.frame import Section
from tests.running.processes import ROOT, database_url


def options(**changes):
    usual = {"size": None, "quick": True, "rounds": 1, "strict": False, "readings": 0, "output": None}
    return argparse.Namespace(**usual | {"sections": []} | changes)


def section_that(measure):
    return Section(letter="X", name="x", title="X", counted="rows", full=100, quick=10, measure=measure)


@pytest.fixture
def _any_machine(monkeypatch):
    monkeypatch.setattr(command.machine, "server", lambda url: {})
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@127.0.0.1/nothing")


@pytest.mark.django_db
def test_what_is_left_out_is_told_by_the_status(tmp_path):
    """Without psql there is no floor of the export; the rest is measured all the same."""
    words = ["export", "--size", "400", "--rounds", "1", "--output", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == command.LEFT_OUT, result.stderr
    content = json.loads((tmp_path / "export.json").read_text())
    assert {"what": "the floor, psql \\copy", "why": "psql is not installed"} in content["left_out"]
    assert len(content["comparisons"][0]["contenders"]) >= 2


@pytest.mark.django_db
@pytest.mark.parametrize("section", ["settlement", "bulk"])
def test_one_section_runs_and_writes_its_result(tmp_path, section):
    words = [section, "--size", "300", "--rounds", "1", "--quick", "--output", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    content = json.loads((tmp_path / f"{section}.json").read_text())
    assert (content["size"], content["rounds"], content["quick"]) == (300, 1, True)
    assert {one["role"] for one in content["comparisons"][0]["contenders"]} >= {"floor", "project"}
    assert "hostname" not in (tmp_path / "README.md").read_text()


def test_letters_and_names_are_sections_of_their_own():
    letters = [section.letter for section in registry.SECTIONS]
    names = [section.name for section in registry.SECTIONS]
    assert len(set(letters)) == len(letters) and len(set(names)) == len(names)
    assert registry.find("c") is registry.find("settlement")
    with pytest.raises(KeyError):
        registry.find("nothing")


@pytest.mark.usefixtures("_any_machine")
def test_a_part_that_was_left_out_shows_in_the_status(tmp_path):
    section = section_that(lambda run: run.leave_out("all", why="no wrk"))
    assert command.measure(section, options(), tmp_path) == command.LEFT_OUT


@pytest.mark.usefixtures("_any_machine")
def test_quick_means_the_quick_size(tmp_path):
    sizes = []
    section = section_that(lambda run: sizes.append(run.size))
    for changes in ({}, {"quick": False}, {"size": 7}):
        assert command.measure(section, options(**changes), tmp_path) == command.MEASURED
    assert sizes == [10, 100, 7]


def test_a_failure_outweighs_what_was_left_out():
    assert command.worst([command.MEASURED, command.LEFT_OUT, command.FAILED]) == command.FAILED
    assert command.worst([command.MEASURED, command.MISSED]) == command.MISSED
    assert command.worst([command.MEASURED]) == command.MEASURED
