"""Results as JSON, one file per section, and all of them as one table of ratios."""

import json
import statistics
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.frame import Goal, Measured, Run, Section, shown, spread

FOLDER = Path(__file__).resolve().parent / "results"
TABLE = "README.md"
HEAD = """# Measured

Each figure is the median of all rounds; a ratio is the median of the rounds' own ratios, with the lowest and the
highest in brackets. Floor, peers and project took turns in the same run: **the ratios count**, the figures only
show the order of size. `make bench` writes this page.

A load above the number of cores at the start means that others worked on the machine: such a section is to be measured
again. At quick sizes a program's start counts (E: some seconds of Django), which at full size does not.
"""


def content(section: Section, run: Run, *, day: date) -> dict[str, Any]:
    """What is written of one run. No names of hosts or files."""
    return {
        "section": section.letter,
        "name": section.name,
        "title": section.title,
        "size": run.size,
        "counted": section.counted,
        "quick": run.quick,
        "rounds": run.rounds,
        "measured_on": day.isoformat(),
        "machine": run.machine,
        "comparisons": [_comparison(measured) for measured in run.measured],
        "observations": [{"title": title, "facts": facts} for title, facts in run.observations],
        "left_out": [{"what": what, "why": why} for what, why in run.left_out],
        "notes": run.notes,
    }


def write(folder: Path, result: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2, ensure_ascii=False)
    (folder / f"{result['name']}.json").write_text(text + "\n", encoding="utf-8")


def read_all(folder: Path) -> list[dict[str, Any]]:
    """Every section's last result in a folder, by letter."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda result: (result["section"], result["name"]))


def write_table(folder: Path) -> str:
    text = table(read_all(folder))
    (folder / TABLE).write_text(text, encoding="utf-8")
    return text


def table(results: Iterable[dict[str, Any]]) -> str:
    """All results as Markdown: first the goals, then the figures behind them."""
    results = list(results)
    lines = [HEAD, "## Ratios and goals", "", "| | what | measured | goal | |", "|---|---|---|---|---|"]
    lines += [
        _goal_line(result, goal) for result in results for part in result["comparisons"] for goal in part["goals"]
    ]
    for result in results:
        lines += ["", *_section_lines(result)]
    return "\n".join(lines) + "\n"


def goals_missed(result: dict[str, Any]) -> list[str]:
    return [
        f"{goal['what']}: {shown(goal['value'])}, goal {goal['goal']}"
        for part in result["comparisons"]
        for goal in part["goals"]
        if not goal["met"]
    ]


def _comparison(measured: Measured) -> dict[str, Any]:
    return {
        "title": measured.title,
        "unit": measured.unit,
        "contenders": [
            {"name": contender.name, "role": contender.role.value, **_figures(measured, contender.name)}
            for contender in measured.contenders
        ],
        "goals": [_goal(measured, goal) for goal in measured.goals],
    }


def _figures(measured: Measured, name: str) -> dict[str, Any]:
    figures = measured.figures(name)
    return {
        "median": _rounded(statistics.median(figures)),
        "spread": round(spread(figures), 3),
        "figures": [_rounded(figure) for figure in figures],
        "beside": {figure: _rounded(measured.median(name, figure)) for figure in measured.samples[name][0].beside},
    }


def _goal(measured: Measured, goal: Goal) -> dict[str, Any]:
    values = measured.judged(goal)
    value = statistics.median(values)
    subject = f"{goal.of}, {goal.figure}" if goal.figure else goal.of
    return {
        "what": f"{measured.title}: {subject}" + (f" / {goal.against}" if goal.against else ""),
        "value": _rounded(value),
        "lowest": _rounded(min(values)),
        "highest": _rounded(max(values)),
        "goal": goal.bound,
        "met": goal.met(value),
    }


def _goal_line(result: dict[str, Any], goal: dict[str, Any]) -> str:
    measured = f"**{shown(goal['value'])}** ({shown(goal['lowest'])} – {shown(goal['highest'])})"
    return f"| {result['section']} | {goal['what']} | {measured} | {goal['goal']} | {'yes' if goal['met'] else 'NO'} |"


def _section_lines(result: dict[str, Any]) -> list[str]:
    lines = [f"## {result['section']}. {result['title']}", "", _circumstances(result)]
    for part in result["comparisons"]:
        lines += [
            "",
            f"{part['title']}:",
            "",
            f"| who | what | {part['unit']} | spread | beside |",
            "|---|---|---|---|---|",
        ]
        lines += [_contender_line(contender) for contender in part["contenders"]]
    for seen in result.get("observations", []):
        lines += ["", f"{seen['title']}:", "", "| what | seen |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in seen["facts"].items()]
    lines += [f"\n{note}" for note in result["notes"]]
    return lines + [f"\n**Left out:** {left['what']}: {left['why']}" for left in result["left_out"]]


def _circumstances(result: dict[str, Any]) -> str:
    machine = result["machine"]
    text = (
        f"{result['size']:,} {result['counted']}, {result['rounds']} rounds, {result['measured_on']}; "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, load {machine['load_at_start']} at the start"
    )
    if "postgresql" in machine:
        kept = ", ".join(f"{name} {machine[name]}" for name in ("fsync", "synchronous_commit", "shared_buffers"))
        text += f"; PostgreSQL {machine['postgresql']} ({kept})"
    return text + (". Quick: small sizes." if result["quick"] else "")


def _contender_line(contender: dict[str, Any]) -> str:
    beside = ", ".join(f"{name} {shown(value)}" for name, value in contender["beside"].items())
    figures = f"{shown(contender['median'])} | {contender['spread']:.0%}"
    return f"| {contender['role']} | {contender['name']} | {figures} | {beside} |"


def _rounded(value: float) -> float:
    """Four significant digits are more than such a machine can tell."""
    return float(f"{value:.4g}")
