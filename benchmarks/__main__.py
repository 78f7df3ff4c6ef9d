"""python -m benchmarks [section ...] [--quick] [--rounds N] [--size N]: measure, write results, print the table.

Ends with 0 when all that was asked for was measured, 1 when a section failed, 3 when parts had to be left out. A missed
goal is a result, not a failure; with --strict it ends with 4.
"""

import argparse
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, registry, results
from benchmarks.databases import server_url
from benchmarks.frame import Run, Section

MEASURED, FAILED, LEFT_OUT, MISSED = 0, 1, 3, 4


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the project beside floors and peers, on the PostgreSQL server of DATABASE_URL.",
        epilog="; ".join(f"{section.letter} {section.name}: {section.title}" for section in registry.SECTIONS),
    )
    top.add_argument(
        "sections",
        nargs="*",
        metavar="section",
        help="letters or names; all but H when none is named",
    )
    top.add_argument("--quick", action="store_true", help="small sizes: minutes for everything")
    top.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    top.add_argument("--size", "--meters", type=int, help="another size than the section's own")
    top.add_argument("--readings", type=int, default=0, help="J: readings behind the admin's lists (10 per meter)")
    top.add_argument("--output", type=Path, help="folder of the results")
    top.add_argument("--strict", action="store_true", help="a missed goal is a failure")
    return top


def main() -> int:
    options = parser().parse_args()
    # Told to end, it leaves no database, process or namespace behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        sections = [registry.find(word) for word in options.sections] or registry.usual()
    except KeyError as unknown:
        parser().error(f"there is no section {unknown}")
    if "DATABASE_URL" not in os.environ and not all(section.own_server for section in sections):
        parser().error("DATABASE_URL names no PostgreSQL; `make bench` starts one")
    folder = options.output or (results.FOLDER / "quick" if options.quick else results.FOLDER)
    if len(sections) == 1:
        status = measure(sections[0], options, folder)
    else:
        status = worst([measure_apart(section, options, folder) for section in sections])
        print(results.write_table(folder))
    return status


def measure(section: Section, options: argparse.Namespace, folder: Path) -> int:
    """One section, in this process."""
    print(f"== {section.letter}. {section.title}", flush=True)
    size = options.size or (section.quick if options.quick else section.full)
    run = Run(
        size=size,
        rounds=options.rounds,
        quick=options.quick,
        readings=options.readings,
        say=lambda text: print(text, flush=True),
    )
    run.machine = machine.facts() | ({} if section.own_server else machine.server(server_url()))
    section.measure(run)
    result = results.content(section, run, day=datetime.now(UTC).date())
    results.write(folder, result)
    results.write_table(folder)
    missed = results.goals_missed(result)
    for text in missed:
        print(f"GOAL MISSED: {text}")
    if run.left_out:
        return LEFT_OUT
    return MISSED if missed and options.strict else MEASURED


def measure_apart(section: Section, options: argparse.Namespace, folder: Path) -> int:
    """A section in a process of its own: its settings, its memory, and its failure stay with it."""
    command = [sys.executable, "-m", "benchmarks", section.letter, "--rounds", str(options.rounds)]
    command += ["--output", str(folder), "--readings", str(options.readings)]
    command += ["--quick"] * options.quick + ["--strict"] * options.strict
    command += ["--size", str(options.size)] if options.size else []
    status = subprocess.run(command, check=False).returncode  # noqa: S603  (this program)
    if status not in (MEASURED, LEFT_OUT, MISSED):
        print(f"FAILED: {section.letter}. {section.title} (status {status})", file=sys.stderr)
        return FAILED
    return status


def worst(statuses: list[int]) -> int:
    """A failure first, then what was left out, then what was missed."""
    return next((status for status in (FAILED, LEFT_OUT, MISSED) if status in statuses), MEASURED)


if __name__ == "__main__":
    sys.exit(main())
