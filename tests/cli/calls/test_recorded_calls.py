"""The commands about recorded calls, on a database as a service leaves it."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from callbridge.call import facts
from callbridge.call.facts import Fact
from callbridge.call.recording_facts import RecordingStored
from callbridge.cli import app
from callbridge.cli.calls.following import call_to_follow
from callbridge.cli.calls.wanted import seconds, summaries, time_in, wanted_calls
from callbridge.cli.control_client import ServiceError
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.projecting import rebuild
from callbridge.records.reading import Records
from callbridge.server.config.caller_keys import caller_key
from desks import NEEDED, made_settings
from records.shipments import entry, store

NUMBER = "+14155550100"
DAY_S = 86_400
NOON = 1_795_003_200.0
"""18 November 2026, 12:00 UTC."""
FIRST, SECOND, LIVE = "CA" + "a" * 32, "CA" + "b" * 32, "CA" + "b" * 31 + "c"

RECORDING = f"{FIRST}-MZ1.wav"


@pytest.fixture(scope="module")
def state_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state file of a service that has had two calls and has one."""
    folder = tmp_path_factory.mktemp("recorded")
    database = Database(f"sqlite:///{folder}/records.db")
    migrate(database)
    key = caller_key(made_settings(), NUMBER)
    ended = facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True, duration_ms=42_000)
    for call_sid, at, agent, key_of_caller, words in (
        (FIRST, NOON, "clinic", key, "I want a refund."),
        (SECOND, NOON + DAY_S, "bakery", "other", "Do you have bread?"),
        (LIVE, NOON + 2 * DAY_S, "bakery", "other", "Wait."),
    ):
        started = facts.StreamStarted("********00", "********99", agent=agent, caller_key=key_of_caller)
        told: list[Fact] = [started, facts.TurnEnded(1, words, "Yes.", 640, interrupted=False)]
        told += [] if call_sid == LIVE else [ended]
        told += [RecordingStored(RECORDING, 2000, 9, "wav")] if call_sid == FIRST else []
        source = f"MZ{call_sid}"
        store(
            database,
            *(
                entry(call_sid, n, fact, source=source, at=at + n, process="web-1-0f")
                for n, fact in enumerate(told, 1)
            ),
        )
    rebuild(database, NOON, lambda _done, _of: None)
    database.close()
    return folder / "state.db"


@pytest.fixture
def world(only_these: pytest.MonkeyPatch, state_path: Path) -> Path:
    """The same, for who sits in London in winter."""
    only_these.setenv("TZ", "UTC")
    time.tzset()
    return state_path


def run(world: Path | str, *arguments: str, **more: str) -> Result:
    given = NEEDED | {"CALLBRIDGE_STATE_PATH": str(world), "COLUMNS": "100"} | more
    return CliRunner().invoke(app, ["calls", *arguments], env=given)


def test_calls_are_listed_the_latest_first(world: Path) -> None:
    """Also without the name of the command. Of one that is live is told which machine carries it."""
    for arguments in ([], ["list", "--limit", "3"]):
        lines = run(world, *arguments).output.splitlines()
        assert [line.rstrip() for line in lines] == [
            "time         call   caller     agent  length turns ended         p50 ms    cost",
            "20 Nov 12:00 bbbbbc ********00 bakery  1.0 s     1 live at web-1        $0.0000",
            "19 Nov 12:00 bbbbbb ********00 bakery  2.0 s     1 caller hangup        $0.0000",
            "18 Nov 12:00 aaaaaa ********00 clinic  2.0 s     1 caller hangup        $0.0000",
        ]
    few = run(world, "--limit", "1").output
    assert "bbbbbb" not in few
    assert "The latest 1. There are more: --limit" in few


def test_a_call_that_is_live_at_another_machine_is_said_to_be_there(world: Path) -> None:
    """By whoever is asked to follow it. At its own machine, and where no record has it, nothing is known."""

    def refusal(machine: str, name: str) -> str:
        settings = made_settings({"CALLBRIDGE_STATE_PATH": str(world), "CALLBRIDGE_MACHINE": machine})
        none_live = 'event: hello\ndata: {"type":"hello","at":1.0,"live_calls":[]}\n\n'
        answers = httpx.MockTransport(lambda _: httpx.Response(200, text=none_live))
        client = httpx.Client(transport=answers, base_url="http://127.0.0.1:1")
        with client, pytest.raises(ServiceError) as refused:
            call_to_follow(settings, [client], name)
        return str(refused.value)

    unknown = f"No live call of this service ends in {LIVE[-6:]!r}. Live: none."
    assert refusal("web-2", LIVE[-6:]) == (
        f"{unknown} On record it is live, since 12:00:01 at the machine web-1. "
        f"To follow it, run this there: callbridge calls follow {LIVE}"
    )
    assert refusal("web-1", LIVE[-6:]) == unknown
    assert refusal("web-2", FIRST).endswith("Live: none.")
    assert refusal("web-2", "abc").endswith("Live: none.")


def test_what_is_wanted_is_found(world: Path) -> None:
    database = Database(f"sqlite:///{world.with_name('records.db')}")
    nothing = dict.fromkeys(("since", "until", "agent", "caller", "ended", "longer_than", "words"), "")
    for options, found in (
        ({"since": "2026-11-19"}, [LIVE, SECOND]),
        ({"until": "2026-11-19T11:00"}, [FIRST]),
        ({"agent": "clinic"}, [FIRST]),
        ({"caller": "+1 415 555-0100"}, [FIRST]),
        ({"ended": "caller_hangup", "words": "BREAD have"}, [SECOND]),
        ({"longer_than": "1.5s"}, [SECOND, FIRST]),
        ({"longer_than": "1h"}, []),
    ):
        wanted = wanted_calls(made_settings(), **nothing | options)
        assert [call.call_sid for call in summaries(Records(database), wanted)] == found, options
    database.close()
    assert json.loads(run(world, "--live", "--json").output)["call_sid"] == LIVE


def test_what_cannot_be_understood_is_told() -> None:
    for read, text, words in (
        (time_in, "yesterday", "no time: write 2d"),
        (time_in, "2026-13-01", "no time"),
        (time_in, "24:14", "no time"),
        (seconds, "long", "no length of time"),
    ):
        with pytest.raises(typer.BadParameter, match=words):
            read(text)
    ended = run("", "--caller", "Sam")
    assert (ended.exit_code, "'Sam' is no caller" in ended.output) == (2, True)


def test_a_time_of_day_is_one_of_today() -> None:
    def now() -> dt.datetime:
        return dt.datetime.now(dt.UTC).astimezone()

    before, found, behind = now(), dt.datetime.fromtimestamp(time_in("10:14")).astimezone(), now()
    assert (found.hour, found.minute, found.second) == (10, 14, 0)
    assert before.date() <= found.date() <= behind.date()


def test_a_call_is_shown_by_the_end_of_its_name(world: Path) -> None:
    shown = run(world, "show", "aaaaaa").output
    assert shown.startswith(f"{FIRST}  ended  caller hangup")
    assert "“I want a refund.”" in shown
    story = json.loads(run(world, "show", FIRST, "--json").output)
    assert (story["agent"], story["turns"][0]["caller"]) == ("clinic", "I want a refund.")


def test_a_recording_is_saved(world: Path, tmp_path: Path) -> None:
    (tmp_path / "stored").mkdir()
    there = tmp_path / "stored" / RECORDING
    there.write_bytes(b"RIFF audio")
    given = {"CALLBRIDGE_RECORDINGS": str(there.parent)}
    ended = run(world, "show", FIRST, "--audio", str(tmp_path / "call.mp3"), **given)
    assert ended.output == f"{RECORDING} saved as {tmp_path / 'call.wav'}\n"
    assert (tmp_path / "call.wav").read_bytes() == b"RIFF audio"
    there.unlink()
    for sid, words in ((FIRST, "not in its store any more"), (SECOND, f"no recording of {SECOND}")):
        ended = run(world, "show", sid, "--audio", str(tmp_path / "call.wav"), **given)
        assert (ended.exit_code, words in ended.output) == (1, True)
    ended = run(world, "show", FIRST, "--audio", str(tmp_path / "call.wav"))
    assert (ended.exit_code, "set CALLBRIDGE_RECORDINGS" in ended.output) == (1, True)


def test_a_name_that_means_no_call_is_told(world: Path) -> None:
    for name, words in (
        ("abc", "No call on record ends in 'abc'."),
        ("_", "No call on record ends in '_'."),
        ("", f"More than one call ends in '': {LIVE}, {SECOND}, {FIRST}. Give more of it."),
    ):
        ended = run(world, "show", name)
        assert (ended.exit_code, words in ended.output) == (1, True)


def test_nothing_found_is_told(world: Path) -> None:
    """Also why words are found nowhere."""
    assert "There is no such call on record." in run(world, "--agent", "nobody").output
    assert "Words are not kept" in run(world, "--words", "nothing").output
    assert "no such call" in run(world, "--words", "nothing", CALLBRIDGE_KEEP_WORDS="true").output


def test_without_records_it_is_said_where_they_would_be(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for command in (["list"], ["export", "-"]):
        ended = run("", *command)
        assert (ended.exit_code, "neither DATABASE_URL nor CALLBRIDGE_STATE_PATH" in ended.output) == (
            1,
            True,
        )
        ended = run(tmp_path / "state.db", *command)
        assert (ended.exit_code, "There are no records yet" in ended.output) == (1, True)


def test_calls_are_exported(world: Path, tmp_path: Path) -> None:
    """Whole or not at all; what is on the screen is nothing else."""
    file = tmp_path / "calls.csv"
    ended = run(world, "export", str(file), "--format", "csv", "--of", "turns", "--since", "2026-11-19")
    assert ended.output == f"2 turns written to {file}\n"
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["call_sid", LIVE, SECOND]
    lines = run(world, "export", "-", "--agent", "clinic").stdout.splitlines()
    assert [json.loads(line)["call_sid"] for line in lines] == [FIRST]
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []
    assert run(world, "export", str(tmp_path / "none" / "x")).exit_code == 2


def test_a_call_of_dev_is_told_and_becomes_a_test_without_a_key(
    state_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NEEDED:
        monkeypatch.delenv(name, raising=False)
    Path(".callbridge").mkdir()
    shutil.copy(state_path.with_name("records.db"), ".callbridge")
    refused = CliRunner().invoke(app, ["calls", "freeze", SECOND])
    assert (refused.exit_code, "OPENAI_API_KEY is not set" in refused.output) == (1, True)
    assert refused.output.endswith("are asked for with --dev.\n")
    listed = CliRunner().invoke(app, ["calls", "--dev", "--json"])
    assert SECOND in [json.loads(line)["call_sid"] for line in listed.stdout.splitlines()]
    assert SECOND in CliRunner().invoke(app, ["calls", "show", SECOND[-6:], "--dev"]).stdout
    frozen = CliRunner().invoke(app, ["calls", "freeze", SECOND, "--dev"])
    assert frozen.exit_code == 0, frozen.output
    assert 'model = ["Yes."]' in Path("tests/call-bbbbbb.call.toml").read_text("utf-8")
