"""Twice the meters, twice the time: what one meter costs at three sizes (the admin's lists are section J).

Each size is a process with a database of its own (benchmarks/growth_worker.py); the sizes take turns.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.frame import Contender, Goal, Role, Run, Section
from benchmarks.programs import ROOT

ALLOWED = 1.3
MICROSECONDS = "µs per meter"
Ask = Callable[[str], Any]


def measure(run: Run) -> None:
    sizes = [run.size // 100, run.size // 10, run.size]
    with ExitStack() as stack:
        asks = {size: stack.enter_context(worker(size)) for size in sizes}
        for ask in asks.values():
            ask("ready")
        for word, title in (("settle", "C, settling a day"), ("fleet", "D, 1013 for all")):
            compare(run, title, {size: per_meter(ask, word, size) for size, ask in asks.items()}, unit=MICROSECONDS)
        messages = {size: per_message(ask) for size, ask in asks.items()}
        compare(run, "A, one 2001 in the process", messages, unit="µs per message")


def compare(run: Run, title: str, works: dict[int, Callable[[], float]], *, unit: str) -> None:
    names = {size: f"{size:,} meters" for size in works}
    smallest, largest = min(works), max(works)
    run.compare(
        title,
        [Contender(name=names[size], role=Role.PROJECT, work=work) for size, work in works.items()],
        unit=unit,
        goals=[Goal(of=names[largest], against=names[smallest], at_most=ALLOWED)],
    )


def per_meter(ask: Ask, word: str, size: int) -> Callable[[], float]:
    return lambda: ask(word) / size * 1e6


def per_message(ask: Ask) -> Callable[[], float]:
    return lambda: ask("intake") * 1e6


@contextmanager
def worker(meters: int) -> Iterator[Ask]:
    """A process that answers words with what they gave; filling its tables may take minutes."""
    process = subprocess.Popen(  # noqa: S603  (this program)
        [sys.executable, "-m", "benchmarks.growth_worker", str(meters)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    words, answers = process.stdin, process.stdout

    def ask(word: str) -> Any:
        words.write(word + "\n")
        words.flush()
        if not (line := answers.readline()):
            raise RuntimeError(f"the platform of {meters:,} meters ended at {word!r}")
        return json.loads(line)

    try:
        yield ask
    finally:
        words.close()
        process.wait()


SECTION = Section(
    letter="G",
    name="growth",
    title="Growth",
    counted="meters at most",
    full=1_000_000,
    quick=100_000,
    measure=measure,
)
