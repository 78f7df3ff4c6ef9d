import os
import stat
from pathlib import Path

import pytest

from launcher.configuration import Configuration
from launcher.errors import StartRefused
from launcher.state import StateDirectory, place


@pytest.fixture
def state(tmp_path):
    found = StateDirectory(tmp_path / "deep" / "state")
    found.prepare()
    return found


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_place_can_be_chosen(tmp_path):
    assert place(Configuration({"DAS_STATE_DIR": str(tmp_path)})) == tmp_path


def test_root_keeps_its_state_outside_the_checkout_and_others_inside(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert place(Configuration({}), Path("/some/checkout")) == Path("/some/checkout/var")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    outside = place(Configuration({}), Path("/some/checkout"))
    assert (outside.parent, len(outside.name)) == (Path("/var/lib/open-gas-das"), 12)
    assert place(Configuration({}), Path("/other/checkout")) != outside


def test_a_secret_is_made_once_and_kept_for_its_owner_only(state):
    assert state.secret("thing", lambda: "first") == "first"
    assert state.secret("thing", lambda: "second") == "first"
    assert mode(state.path / "thing") == 0o600


def test_an_empty_secret_left_by_a_crash_is_made_anew(state):
    (state.path / "thing").touch()
    assert state.secret("thing", lambda: "first") == "first"


def test_published_services_are_private_and_can_be_withdrawn(state):
    state.publish_services({"pid": 1})
    assert state.running_services() == {"pid": 1}
    assert mode(state.services) == 0o600
    state.withdraw_services()
    assert state.running_services() is None


def test_every_start_gets_new_logs_and_a_few_old_ones_stay(state):
    for start in range(6):
        state.rotate_logs()
        state.log("web").write_text(str(start), encoding="utf-8")
    kept = {path.name: path.read_text(encoding="utf-8") for path in state.logs.iterdir()}
    assert kept == {"web.log": "5", "web.log.1": "4", "web.log.2": "3", "web.log.3": "2"}
    assert mode(state.logs) == 0o700


def test_a_place_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused) as refusal:
        StateDirectory(tmp_path / "file" / "state").prepare()
    assert "name another place with DAS_STATE_DIR=<directory>." in str(refusal.value)


def test_a_place_of_another_user_is_refused(state, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StartRefused) as refusal:
        state.prepare()
    assert str(refusal.value) == (
        f"cannot use {state.path} for data (Permission denied): name another place with DAS_STATE_DIR=<directory>."
    )


def test_existing_directories_are_never_opened(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    StateDirectory(closed / "state").prepare()
    assert mode(closed) == 0o700
