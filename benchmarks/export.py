"""Readings as CSV: psql's \\copy of the same join is the floor, in the order that the project writes, and in any.

Every contender is a program whose output is thrown away, so that its memory counts alone.
"""

import os
import sys
from datetime import timedelta

from django.core.management import get_commands
from django.utils import timezone

from benchmarks import backlog, export_rows
from benchmarks.databases import FILL, scratch_database
from benchmarks.frame import Contender, Goal, Role, Run, Section
from benchmarks.programs import MEMORY, installed, manage, run_program

READINGS_PER_METER = 400
COMMAND = "export_readings"
UNORDERED, ORDERED, STREAM, CURSOR, OURS, OURS_UNORDERED = (
    "psql \\copy, unordered",
    "psql \\copy, ordered",
    "psycopg COPY stream",
    "csv.writer over a server-side cursor",
    COMMAND,
    f"{COMMAND} --any-order",
)
# Other forms of the same rows, by the options of the command.
FORMS = {
    "local times": ["--times", "local"],
    "Chinese words, local times, byte order mark": ["--lang", "zh-hans", "--times", "local", "--bom"],
    "ISO, gzip": ["--gzip"],
}


def measure(run: Run) -> None:
    with scratch_database("das_bench_export") as connection:
        first = timezone.now() - timedelta(days=READINGS_PER_METER // 4 + 1)
        backlog.make_room(since=first)
        # The settlement's meters; their one reading each goes again.
        meters = max(run.size // READINGS_PER_METER, 1)
        connection.execute(FILL.read_text().replace(":meters", str(meters)))
        connection.execute("TRUNCATE readings_reading")
        backlog.fill_readings(connection, meters=meters, turns=READINGS_PER_METER, first=first)
        connection.execute("VACUUM ANALYZE")
        run.compare(
            "Readings as CSV",
            list(contenders(run)),
            goals=[
                Goal(of=OURS, against=ORDERED, at_most=1.3),
                Goal(of=OURS_UNORDERED, against=UNORDERED, at_most=1.3),
                Goal(of=OURS, figure=MEMORY, at_most=100),
                Goal(of=OURS_UNORDERED, figure=MEMORY, at_most=100),
            ],
        )
        if others := forms():
            run.compare(
                "Its other forms",
                others,
                goals=[
                    *(Goal(of=name, against=ORDERED, at_most=1.3) for name in FORMS),
                    *(Goal(of=name, figure=MEMORY, at_most=100) for name in FORMS),
                ],
            )
    run.note("The project's rows carry ISO times with their offset and are safe for spreadsheets; the floor's are raw.")


def contenders(run: Run) -> list[Contender]:
    found = []
    if installed("psql"):
        found.append(program(UNORDERED, Role.FLOOR, psql(export_rows.UNORDERED)))
        found.append(program(ORDERED, Role.FLOOR, psql(export_rows.ORDERED)))
    else:
        run.leave_out("the floor, psql \\copy", why="psql is not installed")
    found.append(program(STREAM, Role.PEER, [sys.executable, "-m", "benchmarks.export_rows", "copy"]))
    found.append(program(CURSOR, Role.PEER, [sys.executable, "-m", "benchmarks.export_rows", "cursor"]))
    if COMMAND in get_commands():
        found.append(program(OURS, Role.PROJECT, manage(COMMAND)))
        found.append(program(OURS_UNORDERED, Role.PROJECT, manage(COMMAND, "--any-order")))
    else:
        run.leave_out("the project's export", why=f"there is no command {COMMAND}")
    return found


def forms() -> list[Contender]:
    if not installed("psql") or COMMAND not in get_commands():
        return []
    ours = [program(name, Role.PROJECT, manage(COMMAND, *options)) for name, options in FORMS.items()]
    return [program(ORDERED, Role.FLOOR, psql(export_rows.ORDERED)), *ours]


def psql(query: str) -> list[str]:
    url = os.environ["DATABASE_URL"]
    return ["psql", "--no-psqlrc", "--quiet", url, "--command", f"\\copy ({query}) TO STDOUT (FORMAT csv)"]


def program(name: str, role: Role, command: list[str]) -> Contender:
    return Contender(name=name, role=role, work=lambda: run_program(command))


SECTION = Section(
    letter="E",
    name="export",
    title="Readings as CSV",
    counted="readings",
    full=10_000_000,
    quick=1_000_000,
    measure=measure,
)
