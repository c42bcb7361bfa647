"""The configuration of a laptop: what is told counts, what is missing is made up, and little may be spent."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.cli.around_call import API_URL
from callbridge.cli.dev import ANY_NUMBER, DevCommand
from callbridge.cli.development.configuration import (
    MADE_UP_KEY,
    SPEND_DAY_DOLLARS,
    SPEND_HOUR_DOLLARS,
    development_settings,
    listeners_for,
    may_open_browser,
    what_is_told,
)
from callbridge.cli.development.folder import NAME, calls_folder
from callbridge.observe.logs import LogFormat
from callbridge.server.config.records import records_file
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.webhooks import read_webhooks
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.simulators.phone import ACCOUNT_SID
from desks import NEEDED

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.server.config.settings import Settings

LOCAL = "http://127.0.0.1:8081"
MODEL = "ws://127.0.0.1:9000/v1/realtime"


def made(*, model_url: str = "", is_simulated: bool = False) -> Settings:
    told = what_is_told(is_simulated=is_simulated)
    return development_settings(told, port=8081, base_url=LOCAL, model_url=model_url)


def test_with_nothing_told_all_is_made_up_and_of_this_machine(only_these: pytest.MonkeyPatch) -> None:
    told = what_is_told("bakery:agent")
    assert (told.simulates_model, told.has_account, told.public_url) == (True, False, "")
    settings = development_settings(told, port=8081, base_url=LOCAL, model_url=MODEL)
    assert settings.openai_api_key.get_secret_value() == MADE_UP_KEY
    assert (settings.realtime_url, settings.twilio_account_sid) == (MODEL, ACCOUNT_SID)
    assert settings.rest_credentials.api_url == API_URL, "Twilio is not asked about what is made up"
    assert (settings.host, settings.port, settings.public_base_url) == ("127.0.0.1", 8081, LOCAL)
    assert (settings.agent, settings.control_port, settings.state_path) == ("bakery:agent", 0, None)
    assert (settings.log_format, settings.log_transcripts) == (LogFormat.CONSOLE, True)
    assert not any(
        (settings.calls_per_caller, settings.calls_per_caller_10_minutes, settings.calls_per_caller_day)
    )


def test_what_is_told_counts_but_for_what_a_laptop_must_not_do(
    only_these: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A `.env` file of production serves here, too: it keeps nothing, and spends little."""
    (tmp_path / ".env").write_text(
        "CALLBRIDGE_STATE_PATH=calls.sqlite\nCALLBRIDGE_HOST=0.0.0.0\nCALLBRIDGE_SPEND_PER_HOUR_MAX=500\n"
        "CALLBRIDGE_SPEND_PER_DAY_MAX=off\nCALLBRIDGE_LANGUAGE=de\nPORT=80\nCALLBRIDGE_AGENT=a:b\n"
    )
    for name, value in NEEDED.items():
        only_these.setenv(name, value)
    told = what_is_told()
    assert (told.simulates_model, told.has_account) == (False, True)
    assert told.public_url == NEEDED["PUBLIC_BASE_URL"].rstrip("/")
    settings = made()
    assert settings.openai_api_key.get_secret_value() == NEEDED["OPENAI_API_KEY"]
    assert settings.twilio_account_sid == NEEDED["TWILIO_ACCOUNT_SID"]
    assert (settings.agent, settings.language) == ("a:b", "de")
    assert (settings.host, settings.public_base_url, settings.state_path) == ("127.0.0.1", LOCAL, None)
    assert settings.spend_per_hour_max == SPEND_HOUR_DOLLARS
    assert settings.spend_per_day_max == SPEND_DAY_DOLLARS
    only_these.setenv("CALLBRIDGE_SPEND_PER_HOUR_MAX", "0.5")
    assert made().spend_per_hour_max == 0.5, "a lower cap stays"
    assert what_is_told(is_simulated=True).simulates_model


@pytest.mark.usefixtures("only_these")
def test_calls_are_kept_in_the_project_and_go_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a `.env` of production says: its database, receivers and analysis have no part in it."""
    for name, value in {
        "DATABASE_URL": "postgresql://calls.example.com/calls",
        "CALLBRIDGE_WEBHOOK_URL": "https://crm.example.com/",
        "CALLBRIDGE_WEBHOOK_SECRET": "whsec_" + "c2VjcmV0" * 4,
        "CALLBRIDGE_ANALYSIS_MODEL": "gpt-text",
        "CALLBRIDGE_RECORDINGS": "s3://calls-of-customers",
        "CALLBRIDGE_STATE_PATH": "calls.sqlite",
        "CALLBRIDGE_TRACES": "true",
        "NATS_URL": "nats://127.0.0.1:4222",
    }.items():
        monkeypatch.setenv(name, value)
    folder = calls_folder(tmp_path)
    assert folder is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text(encoding="utf-8").endswith("\n*\n")
    told = what_is_told()
    for place in (folder, None):
        settings = development_settings(told, port=8081, base_url=LOCAL, model_url=MODEL, folder=place)
        assert (read_webhooks(settings, {}), settings.analysis_model, settings.state_path) == ((), None, None)
        assert (settings.traces, settings.nats_url) == (False, None)
        assert records_file(settings) == (None if place is None else folder / "records.db")
        recordings = settings.recordings_place
        assert (None if recordings is None else recordings.directory) == (
            None if place is None else str(folder / "recordings")
        )
    assert (settings.keep_words, settings.replay_share) == (False, 0), "nothing is kept without a place"


@pytest.mark.parametrize(
    ("variables", "is_terminal", "may"),
    [
        ({"DISPLAY": ":0"}, True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ({}, True, False),
        ({"DISPLAY": ":0"}, False, False),
        ({"DISPLAY": ":0", "CI": "true"}, True, False),
    ],
)
def test_a_browser_opens_where_somebody_sees_it(
    variables: dict[str, str], is_terminal: bool, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.platform", "linux")
    assert may_open_browser(variables) is may


def test_where_no_folder_can_be_made_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("in its way")
    assert calls_folder(tmp_path) is None


def test_a_simulator_of_ones_own_needs_no_key_and_half_an_account_is_a_fault(
    only_these: pytest.MonkeyPatch,
) -> None:
    only_these.setenv("CALLBRIDGE_REALTIME_URL", MODEL)
    assert not what_is_told().simulates_model
    assert made().realtime_url == MODEL
    only_these.setenv("CALLBRIDGE_REALTIME_URL", "wss://example.com/v1/realtime")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        made()
    only_these.delenv("CALLBRIDGE_REALTIME_URL")
    only_these.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    with pytest.raises(SettingsError, match="TWILIO_AUTH_TOKEN"):
        made(model_url=MODEL)


def test_a_port_that_was_told_is_taken_or_nothing_and_any_other_will_do(
    only_these: pytest.MonkeyPatch,
) -> None:
    with tcp_listener() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listeners_for(what_is_told(port=port))
        only_these.setattr("callbridge.cli.development.configuration.usual_port", lambda: port)
        (listener,) = listeners_for(what_is_told())
        with listener:
            assert listener.getsockname()[1] != port


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", ("", "")),
        ("bakery:agent", ("bakery:agent", "")),
        ("--phone", ("", ANY_NUMBER)),
        ("--phone bakery:agent", ("bakery:agent", ANY_NUMBER)),
        ("bakery:agent --phone +14155550142", ("bakery:agent", "+14155550142")),
        ("--phone 4155550142 agents/", ("agents/", "4155550142")),
        ("--phone=+14155550142", ("", "+14155550142")),
        ("--phone --tunnel ngrok", ("", ANY_NUMBER)),
    ],
)
def test_a_number_may_follow_phone_or_not(arguments: str, told: tuple[str, str]) -> None:
    found = []
    command = typer.Typer()

    @command.command(cls=DevCommand)
    def dev(agent: str = typer.Argument(""), phone: str = "", tunnel: str = "") -> None:
        found.append((agent, phone))

    assert CliRunner().invoke(command, arguments.split()).exit_code == 0
    assert found == [told]


@pytest.mark.usefixtures("only_these")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--phone",),
            "--phone needs your Twilio account: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set",
        ),
        (("nowhere:agent",), "there is no module nowhere"),
        (("--restore",), "needs your Twilio account"),
    ],
)
def test_what_keeps_it_from_serving_is_told_with_what_to_do(arguments: tuple[str, ...], said: str) -> None:
    ended = CliRunner().invoke(app, ["dev", *arguments], env={"COLUMNS": "300"})
    assert ended.exit_code == 1
    assert said in " ".join(ended.output.split())
