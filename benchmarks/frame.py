"""What a section of the benchmarks is made of, and how it is measured.

A section compares contenders: a floor (what the database alone needs), peers (what others do), and the project. All
take turns, round after round, so that a noisy machine is noisy for all of them; the ratios of one round count.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    FLOOR = "floor"
    PEER = "peer"
    PROJECT = "project"


@dataclass(frozen=True)
class Sample:
    """What one round gave: the figure in the comparison's unit, and others beside it, such as {"memory MB": 43}."""

    value: float
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work.

    `work` does it once and returns its figure; or None, or other figures by name: then its seconds are the figure; or a
    Sample. `before` makes the same state for every round; `check` raises when the work was not done. Neither counts.
    """

    name: str
    role: Role
    work: Callable[[], float | Sample | Mapping[str, float] | None]
    before: Callable[[], object] = lambda: None
    check: Callable[[], object] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A bound: of the ratio of one contender's figure to another's, or (without `against`) of the figure itself.

    `figure` names one of the figures beside the main one.
    """

    of: str
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None
    figure: str = ""

    @property
    def bound(self) -> str:
        return f"<= {self.at_most:g}" if self.at_most is not None else f">= {self.at_least:g}"

    def met(self, value: float) -> bool:
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass
class Measured:
    """All rounds of one comparison."""

    title: str
    unit: str
    contenders: Sequence[Contender]
    goals: Sequence[Goal]
    samples: dict[str, list[Sample]]

    def figures(self, name: str, figure: str = "") -> list[float]:
        return [sample.beside[figure] if figure else sample.value for sample in self.samples[name]]

    def median(self, name: str, figure: str = "") -> float:
        return statistics.median(self.figures(name, figure))

    def judged(self, goal: Goal) -> list[float]:
        """The figure that a goal bounds, of each round."""
        ours = self.figures(goal.of, goal.figure)
        if not goal.against:
            return ours
        return [mine / theirs for mine, theirs in zip(ours, self.figures(goal.against, goal.figure), strict=True)]


class Run:
    """One run of one section: how large, how often, and what came of it."""

    def __init__(
        self, *, size: int, rounds: int, quick: bool, readings: int = 0, say: Callable[[str], None] = print
    ) -> None:
        self.size, self.rounds, self.quick, self.readings, self.say = size, rounds, quick, readings, say
        self.measured: list[Measured] = []
        self.left_out: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.observations: list[tuple[str, Mapping[str, Any]]] = []
        self.machine: dict[str, Any] = {}

    def compare(
        self, title: str, contenders: Sequence[Contender], *, goals: Sequence[Goal] = (), unit: str = "s"
    ) -> Measured:
        """Let the contenders take turns, `rounds` times; every other round in the opposite order."""
        self.say(f"{title}:")
        samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
        for number in range(self.rounds):
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                sample = one_round(contender)
                samples[contender.name].append(sample)
                self.say(f"  round {number + 1}  {contender.name}  {shown(sample.value)} {unit}{_beside(sample)}")
        self.measured.append(Measured(title, unit, contenders, self._possible(goals, samples), samples))
        return self.measured[-1]

    def leave_out(self, what: str, *, why: str) -> None:
        """Say that a part cannot be measured here: the run then ends with a status of its own."""
        self.left_out.append((what, why))
        self.say(f"LEFT OUT: {what}: {why}")

    def observe(self, title: str, facts: Mapping[str, Any]) -> None:
        """What was seen in a scenario that is played once, fact by fact."""
        self.observations.append((title, facts))
        self.say("\n".join([f"{title}:", *(f"  {name}: {value}" for name, value in facts.items())]))

    def note(self, text: str) -> None:
        """A sentence that belongs beside the figures."""
        self.notes.append(text)

    @staticmethod
    def _possible(goals: Sequence[Goal], samples: Mapping[str, Any]) -> list[Goal]:
        """Goals whose contenders took part: one that was left out is told of by `leave_out`."""
        return [goal for goal in goals if goal.of in samples and (not goal.against or goal.against in samples)]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the benchmarks: its letter, its name (also of its result's file), and its sizes.

    One that starts a server of its own (`own_server`) needs no DATABASE_URL, and runs only when it is named.
    """

    letter: str
    name: str
    title: str
    counted: str
    full: int
    quick: int
    measure: Callable[[Run], None]
    own_server: bool = False


def one_round(contender: Contender) -> Sample:
    contender.before()
    begin = time.perf_counter()
    result = contender.work()
    seconds = time.perf_counter() - begin
    contender.check()
    if isinstance(result, Sample):
        return result
    if isinstance(result, float | int):
        return Sample(float(result))
    return Sample(seconds, result or {})


def spread(figures: Sequence[float]) -> float:
    """How far apart the rounds lie: (highest - lowest) / median."""
    middle = statistics.median(figures)
    return (max(figures) - min(figures)) / middle if middle else 0.0


def shown(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _beside(sample: Sample) -> str:
    return "".join(f", {shown(value)} {name}" for name, value in sample.beside.items())
