"""`callbridge replay`: what it says of a tape, in words and in JSON, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from callbridge.call import rules
from callbridge.call.phases import Phase
from callbridge.cli import app
from callbridge.records.code_version import code_digest
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.projecting import project
from callbridge.records.tapes import TapeStore
from callbridge.records.taping import Taping
from callbridge.wire.realtime_events import SpeechStarted
from desks import NEEDED
from random_calls import random_world
from records.shipments import STARTED, entry, store
from tapes import taped

if TYPE_CHECKING:
    from pathlib import Path

CALL_SID = "CA" + "c" * 32


def replay(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status, and what is said."""
    ended = CliRunner().invoke(app, ["replay", *arguments], env=NEEDED | environment)
    return ended.exit_code, ended.output.strip()


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tape of one call, as a file."""
    path = tmp_path_factory.mktemp("tapes") / "call.tape"
    path.write_bytes(b"\n".join(taped(random_world(4, keys=True), code_digest())) + b"\n")
    return path


def change_a_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(rules.RULES[Phase.LIVE], SpeechStarted, rules.Ignored("nobody cares"))


def test_the_same_is_said_in_one_line(tape: Path) -> None:
    status, said = replay("--from-file", str(tape))
    assert status == 0
    assert said.startswith(f"{CALL_SID}, stream MZ")
    assert ": the same, " in said
    assert len(said.splitlines()) == 1


def test_a_difference_is_shown_side_by_side(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first with what led to it; all with `--all`, or as JSON."""
    change_a_rule(monkeypatch)
    status, said = replay("--from-file", str(tape))
    assert status == 1
    assert "What led there:" in said
    assert "SpeechStarted(item_id=" in said
    assert "expected" in said
    assert said.endswith("more, which may follow from it (--all shows them)")
    everything = replay("--from-file", str(tape), "--all")[1]
    assert everything.count("What led there:") > said.count("What led there:") == 1
    status, text = replay("--from-file", str(tape), "--json")
    report = json.loads(text)
    assert (status, report["is_same"]) == (1, False)
    (stream,) = report["streams"]
    assert len(stream["differences"]) == everything.count("What led there:")
    assert stream["differences"][0]["event"].startswith("SpeechStarted")


def test_code_that_has_changed_and_a_tape_that_breaks_off_are_said(tape: Path, tmp_path: Path) -> None:
    lines = tape.read_bytes().replace(code_digest().encode(), b"0123456789ab").splitlines()
    (tmp_path / "part").write_bytes(b"\n".join(lines[:40]))
    status, said = replay("--from-file", str(tmp_path / "part"))
    assert status == 0
    words = " ".join(said.split())
    assert "The code of calls has changed since: taped by callbridge 1.2.3 (0123456789ab)" in words
    assert "The tape breaks off" in words


@pytest.mark.usefixtures("only_these")
def test_a_call_on_record_is_played_and_passed_on(tmp_path: Path) -> None:
    """The file that is written is a tape as well."""
    database = Database(f"sqlite:///{tmp_path}/records.db")
    migrate(database)
    keeps = Taping(1, TapeStore(database).add)
    keeps.begin()
    world = random_world(1)
    world.machine = keeps.machine
    world.run()
    keeps.end(within_s=5)
    store(database, entry(CALL_SID, 1, STARTED))
    with database.writing() as connection:
        project(connection, CALL_SID, 1e9)
    database.close()
    known = {"CALLBRIDGE_STATE_PATH": f"{tmp_path}/state.db"}
    status, said = replay(CALL_SID, "--to-file", f"{tmp_path}/passed.tape", **known)
    assert (status, ": the same, " in said) == (0, True)
    assert replay("--from-file", f"{tmp_path}/passed.tape") == (0, said)
    assert replay(CALL_SID[-6:], **known) == (0, said), "as lists of calls show it"
    status, said = replay("CA1", **known)
    assert status == 2
    assert said.startswith("There is no tape of CA1.")
    assert replay(CALL_SID)[0] == 2, "no records are kept"


def test_what_is_no_tape_is_said(tape: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("\n")
    assert replay("--from-file", str(other)) == (2, f"{other} has no tape in it.")
    other.write_text("words\n")
    status, said = replay("--from-file", str(other))
    assert (status, said.startswith("line 1 of the tape: ")) == (2, True)
    assert replay("--from-file", str(tmp_path / "nothing"))[0] == 2
    assert replay()[0] == 2
    assert replay(CALL_SID, "--from-file", str(tape))[0] == 2
