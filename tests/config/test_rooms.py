"""The rooms: each app imports only from those before it, and the launcher from none of them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["protocol", "staff", "pricing", "meters", "commands", "alarms", "readings", "analysis", "office", "config"]
APART = {"simulator": {"simulator", "protocol"}, "launcher": {"launcher"}}
OURS = {*ROOMS, *APART}


def sources(room):
    return [path for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]


def imported_rooms(path):
    """(line, room) of every import of our own in a file, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names = [node.module or ""]
        else:
            continue
        for name in names:
            room = name.split(".")[0]
            if room in OURS:
                yield node.lineno, room


@pytest.mark.parametrize("room", [*ROOMS, *APART])
def test_a_room_imports_only_from_those_before_it(room):
    allowed = APART.get(room) or set(ROOMS[: ROOMS.index(room) + 1])
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {other}"
        for path in sources(room)
        for line, other in imported_rooms(path)
        if other not in allowed
    ]
    assert sources(room)
    assert wrong == []


@pytest.mark.parametrize("room", [*ROOMS, *APART])
def test_no_import_hides_in_a_function(room):
    hidden = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in sources(room)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_the_check_sees_a_wrong_import(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from readings.models import Reading\n", encoding="utf-8")
    assert list(imported_rooms(wrong)) == [(2, "readings")]
