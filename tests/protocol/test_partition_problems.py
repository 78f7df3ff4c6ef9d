"""A missing partition, rows in the default one, late retention: each is told clearly."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.utils.translation import override

from protocol import tasks
from protocol.partitions import problems
from protocol.partitions.care import make_partitions, tend_partitions
from protocol.partitions.problems import partition_problems
from tests.protocol.partitioned import NOW, add, create_trial, declare, moment, sql, where

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _trial(settings):
    settings.PARTITIONS_AHEAD_DAYS = 14
    create_trial()
    with override("en"):
        yield


def found(now=NOW, **options):
    return [(problem.kind, problem.text) for problem in partition_problems(now=now, tables=[declare(**options)])]


def test_nothing_is_wrong_when_all_is_made():
    make_partitions(now=NOW, tables=[declare()])
    assert found() == []
    assert found(NOW + timedelta(days=26)) == []


def test_a_missing_partition_is_told_three_days_ahead():
    assert found() == [
        ("missing", "trial has no partition for 2026-03-31 (UTC): its rows fall into the default partition.")
    ]
    make_partitions(now=NOW, tables=[declare()])
    assert found(moment("2026-04-27 23:59")) == []
    assert found(moment("2026-04-28 00:01")) == [
        ("missing", "trial has no partition for 2026-05-01 (UTC): its rows fall into the default partition.")
    ]


def test_rows_in_the_default_partition_are_told_but_not_very_old_strays(monkeypatch):
    make_partitions(now=NOW, tables=[declare()])
    add("2000-01-01 00:00")
    assert found() == []
    add("2026-02-27 00:00")
    text = "Rows in the default partition of trial: {}. The next round will move them."
    assert found() == [("default", text.format(1))]
    monkeypatch.setattr(problems, "COUNT_LIMIT", 1)
    assert found() == [("default", text.format("1+"))]
    tend_partitions(now=NOW, tables=[declare()])
    assert found() == []


def test_a_table_without_a_default_partition_is_told():
    make_partitions(now=NOW, tables=[declare()])
    sql("DROP TABLE trial_default")
    assert found() == [("missing", "trial has no default partition: rows that fit no other would be refused.")]


def test_late_retention_is_told():
    tend_partitions(now=NOW, tables=[declare()], since=moment("2026-01-01"))
    assert found(keep_days=60) == []
    assert found(keep_days=50) == [
        ("overdue", "Partitions of trial that need not be kept any longer and are still there: 1.")
    ]


def test_a_plain_table_and_one_cut_by_another_column_are_told_and_a_missing_one_is_not():
    sql("CREATE TABLE plain (at timestamptz)")
    told = partition_problems(now=NOW, tables=[declare("plain"), declare(column="id"), declare("nowhere")])
    assert [problem.text for problem in told] == [
        "plain is not partitioned by at: run migrate.",
        "trial is not partitioned by id: run migrate.",
    ]


@pytest.fixture
def declared(monkeypatch):
    """The trial table as the only declared one, in all places that ask."""
    for module in ["care", "problems"]:
        monkeypatch.setattr(f"protocol.partitions.{module}.declared_tables", lambda: [declare()])
    monkeypatch.setattr("protocol.management.commands.partitions.declared_tables", lambda: [declare()])


def test_the_system_check_tells(declared):
    found = [message for message in run_checks(databases=["default"]) if message.id == "das.W001"]
    assert [message.msg.split(" for ")[0] for message in found] == ["trial has no partition"]
    assert [message for message in run_checks() if message.id == "das.W001"] == []


def test_the_task_makes_what_is_missing_and_logs_what_it_cannot(declared, caplog, time_machine, monkeypatch):
    time_machine.move_to(NOW)
    assert tasks.tend() == 2
    assert caplog.text == ""
    add("2026-02-27 00:00")
    monkeypatch.setattr("protocol.partitions.care.RESCUE_LIMIT", 0)
    assert tasks.tend() == 0
    assert "Rows in the default partition of trial: 1." in caplog.text


def test_the_command_shows_and_tends(declared, time_machine):
    time_machine.move_to(NOW)
    add("2026-02-27 00:00")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="2 problems"):
        call_command("partitions", stdout=out, stderr=err)
    assert out.getvalue().splitlines()[0] == "trial by month of at, kept for ever"
    assert "has no partition for" in err.getvalue()
    assert where() == [("trial_default", "2026-02-27 00:00")]
    out = StringIO()
    call_command("partitions", "--since", "2026-01-01", stdout=out)
    assert out.getvalue().splitlines()[0] == "made 4, dropped 0, rescued 1 rows"
    assert "trial_p20260201" in out.getvalue()
    assert where() == [("trial_p20260201", "2026-02-27 00:00")]
