"""`callbridge check`: each fault is found, weighed rightly, and comes with its remedy."""

from __future__ import annotations

import datetime as dt
import errno
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callbridge.agents.agent import Agent
from callbridge.agents.loading import AgentError
from callbridge.cli import app
from callbridge.cli.check import try_to_listen
from callbridge.server.config.check import Finding, Level, can_take_calls, check
from callbridge.server.config.settings import VARIABLES
from desks import NEEDED

TODAY = dt.date(2026, 11, 20)
GOOD = NEEDED | {"CALLBRIDGE_STATE_PATH": "calls.sqlite3"}


def load_agent(name: str) -> Agent:
    match name:
        case "shop:agent":
            return Agent(voice="cedar")
        case "shop:hoarse":
            return Agent(voice="nova")
        case _:
            raise AgentError(f"CALLBRIDGE_AGENT={name}: importing shop failed")


def findings(
    changes: Mapping[str, str] | None = None, *, today: dt.date = TODAY, failure: OSError | None = None
) -> list[Finding]:
    given = {**GOOD, **(changes or {})}
    assert all(name in VARIABLES for name in given if not name.startswith("CALLBRIDGE_"))
    return check(
        given,
        today=today,
        load_agent=load_agent,
        try_to_listen=lambda _host, _port: failure,
    )


def faults(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.level is not Level.OK]


def only_fault(found: list[Finding]) -> Finding:
    (fault,) = faults(found)
    assert fault.remedy, "a fault without a remedy helps nobody"
    return fault


def test_good_configuration_has_only_good_news() -> None:
    found = findings()
    assert faults(found) == []
    assert can_take_calls(found)
    text = "\n".join(finding.what for finding in found)
    for words in (
        *("https://calls.example.com/twilio/voice", "gpt-realtime-2.1", "gpt-transcribe", "marin"),
        *("port 8080 is free", "gpt-realtime-2.1-mini is tried", "may leave a message"),
        "kept in calls.sqlite3",
    ):
        assert words in text


def test_unusable_settings_are_errors() -> None:
    found = check({}, today=TODAY, load_agent=load_agent, try_to_listen=lambda *_: None)
    assert [finding.level for finding in found] == [Level.ERROR] * 4
    assert not can_take_calls(found)
    assert found[0].what == "OPENAI_API_KEY is not set"
    assert "platform.openai.com" in found[0].remedy


ERROR, WARNING = Level.ERROR, Level.WARNING
LOCAL_MODEL = {"CALLBRIDGE_REALTIME_URL": "ws://127.0.0.1:9000/v1/realtime"}


@pytest.mark.parametrize(
    ("changes", "level", "what", "remedy"),
    [
        ({"OPENAI_API_KEY": "sk-a b"}, ERROR, "has a space", "Copy it again"),
        ({"OPENAI_API_KEY": "sk-ü"}, ERROR, "has a space", "Copy it again"),
        ({"OPENAI_API_KEY": "org-123"}, WARNING, "does not begin with sk-", "api-keys"),
        ({"TWILIO_AUTH_TOKEN": "secret"}, WARNING, "does not look like one", "console"),
        ({"PUBLIC_BASE_URL": "https://192.168.1.5"}, ERROR, "cannot reach", "tunnel"),
        ({"PUBLIC_BASE_URL": "https://pbx.local"}, ERROR, "cannot reach", "tunnel"),
        ({"PUBLIC_BASE_URL": "https://pbx"}, ERROR, "cannot reach", "tunnel"),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:8080"}, WARNING, "only this", "simulated"),
        ({"CALLBRIDGE_HOST": "127.0.0.1"}, WARNING, "only a tunnel", "container"),
        ({"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-9"}, WARNING, "not known", "correct the name"),
        ({"CALLBRIDGE_REALTIME_MODEL": "gpt-live-1.1"}, ERROR, "another protocol", "gpt-realtime-2.1"),
        (
            {"CALLBRIDGE_REALTIME_MODEL": "gpt-4o-mini-realtime-preview-2024-12-17"},
            ERROR,
            "beta generation",
            "gpt-realtime-2.1-mini",
        ),
        ({"CALLBRIDGE_TRANSCRIPTION_MODEL": "hear-9"}, WARNING, "not known", "off"),
        (
            {"CALLBRIDGE_TRANSCRIPTION_MODEL": "gpt-realtime-whisper"},
            WARNING,
            "transcription sessions only",
            "gpt-transcribe",
        ),
        ({"CALLBRIDGE_REALTIME_VOICE": "nova"}, ERROR, "voice nova is none of", "CALLBRIDGE_REALTIME_VOICE"),
        (
            {"CALLBRIDGE_REALTIME_VOICE": "nova"} | LOCAL_MODEL,
            WARNING,
            "voice nova is none of",
            "CALLBRIDGE_REALTIME_VOICE",
        ),
        ({"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "100"}, WARNING, "middle of sentences", "300 to 700"),
        ({"CALLBRIDGE_VAD_SILENCE_DURATION_MS": "3000"}, WARNING, "that late", "300 to 700"),
        ({"CALLBRIDGE_VAD_THRESHOLD": "0"}, WARNING, "every noise", "0.3 to 0.8"),
        ({"CALLBRIDGE_VAD_THRESHOLD": "1"}, WARNING, "no speech", "0.3 to 0.8"),
        ({"CALLBRIDGE_VAD_EAGERNESS": "low"}, WARNING, "no effect", "CALLBRIDGE_VAD_KIND=semantic_vad"),
        (
            {"CALLBRIDGE_VAD_KIND": "semantic_vad", "CALLBRIDGE_VAD_THRESHOLD": "0.4"},
            WARNING,
            "CALLBRIDGE_VAD_THRESHOLD has no effect",
            "CALLBRIDGE_VAD_KIND=server_vad",
        ),
        (
            {"CALLBRIDGE_TRUNCATION_POST_INSTRUCTIONS_TOKENS": "8000"},
            WARNING,
            "no effect",
            "CALLBRIDGE_TRUNCATION as a ratio",
        ),
        ({"CALLBRIDGE_STATE_PATH": ""}, WARNING, "after a restart nothing is known", "CALLBRIDGE_STATE_PATH"),
        ({"CALLBRIDGE_STATE_PATH": "/no/such/folder/calls"}, ERROR, "cannot be a file there", "folder"),
        ({"CALLBRIDGE_STATE_PATH": "/"}, ERROR, "cannot be a file there", "Name a file"),
        ({"CALLBRIDGE_CLIP": "/no/such.wav"}, ERROR, "is no file", "built-in"),
        (
            {"CALLBRIDGE_FALLBACK_VOICEMAIL": "false"},
            WARNING,
            "apology and nothing else",
            "CALLBRIDGE_FALLBACK_DIAL",
        ),
        ({"CALLBRIDGE_FALLBACK_DIAL_SECONDS": "10"}, WARNING, "no effect", "CALLBRIDGE_FALLBACK_DIAL"),
        (
            {
                "CALLBRIDGE_FALLBACK_VOICEMAIL": "false",
                "CALLBRIDGE_VOICEMAIL_PROMPT": "Hi.",
                "CALLBRIDGE_FALLBACK_DIAL": "+14155550123",
            },
            WARNING,
            "CALLBRIDGE_VOICEMAIL_PROMPT has no effect",
            "CALLBRIDGE_FALLBACK_VOICEMAIL=true",
        ),
        ({"CALLBRIDGE_REALTIME_SECOND_MODEL": "gpt-realtime-9"}, WARNING, "not known", "off"),
        ({"CALLBRIDGE_REALTIME_SECOND_MODEL": "gpt-live-1"}, WARNING, "another protocol", "or off"),
        (
            {"CALLBRIDGE_SPEND_PER_CALL_MAX": "5", "CALLBRIDGE_SPEND_PER_DAY_MAX": "4"},
            WARNING,
            "of CALLBRIDGE_SPEND_PER_CALL_MAX, CALLBRIDGE_SPEND_PER_DAY_MAX a longer time has the lower cap",
            "grow",
        ),
        ({"CALLBRIDGE_AGENT": "shop:missing"}, ERROR, "importing shop failed", "CALLBRIDGE_AGENT"),
        ({"CALLBRIDGE_AGENT": "shop:hoarse"}, ERROR, "voice nova is none of", "CALLBRIDGE_REALTIME_VOICE"),
    ],
)
def test_each_fault_is_found(changes: dict[str, str], level: Level, what: str, remedy: str) -> None:
    """One fault gives one finding, with its weight, in words, with what to do."""
    found = findings(changes)
    fault = only_fault(found)
    assert fault.level is level
    assert what in fault.what
    assert remedy in fault.remedy
    assert can_take_calls(found) is (level is not Level.ERROR)


@pytest.mark.parametrize(
    "changes",
    [
        {"CALLBRIDGE_REALTIME_VOICE": "voice_123abc"},
        {"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-2.1-mini", "CALLBRIDGE_REASONING_EFFORT": "low"},
        {"CALLBRIDGE_TRANSCRIPTION_MODEL": "off"},
        {"CALLBRIDGE_TRANSCRIPTION_MODEL": "whisper-1"},  # Its end is three months ahead.
        {"CALLBRIDGE_AGENT": "shop:agent"},
        {"CALLBRIDGE_VAD_KIND": "semantic_vad", "CALLBRIDGE_VAD_EAGERNESS": "low"},
        {"CALLBRIDGE_TRUNCATION": "0.8", "CALLBRIDGE_TRUNCATION_POST_INSTRUCTIONS_TOKENS": "8000"},
        LOCAL_MODEL | {"OPENAI_API_KEY": "anything"},
        {"PUBLIC_BASE_URL": "https://8.8.8.8"},
        {"CALLBRIDGE_REALTIME_SECOND_MODEL": "off"},
        {"CALLBRIDGE_FALLBACK_DIAL": "+14155550123", "CALLBRIDGE_FALLBACK_DIAL_SECONDS": "10"},
        {"CALLBRIDGE_FALLBACK_DIAL": "+14155550123", "CALLBRIDGE_FALLBACK_VOICEMAIL": "false"},
        {
            "CALLBRIDGE_SPEND_PER_CALL_MAX": "1",
            "CALLBRIDGE_SPEND_PER_HOUR_MAX": "10",
            "CALLBRIDGE_SPEND_PER_DAY_MAX": "10",
        },
    ],
)
def test_good_choices_raise_no_doubt(changes: dict[str, str]) -> None:
    assert faults(findings(changes)) == []


@pytest.mark.parametrize(
    ("today", "level"),
    [
        (dt.date(2026, 11, 20), Level.OK),
        (dt.date(2026, 11, 21), Level.WARNING),
        (dt.date(2027, 1, 19), Level.WARNING),
        (dt.date(2027, 1, 20), Level.ERROR),
        (dt.date(2028, 1, 1), Level.ERROR),
    ],
)
@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-2025-08-28"])
def test_model_is_warned_of_for_sixty_days(model: str, today: dt.date, level: Level) -> None:
    """Before its end a model is warned of, afterwards it is an error; the successor is named."""
    found = findings({"CALLBRIDGE_REALTIME_MODEL": model}, today=today)
    if level is Level.OK:
        assert faults(found) == []
        return
    fault = only_fault(found)
    assert fault.level is level
    assert "2027-01-20" in fault.what
    assert fault.remedy == "Set CALLBRIDGE_REALTIME_MODEL=gpt-realtime-2.1."


@pytest.mark.parametrize(
    ("choice", "end", "remedy"),
    [
        ("CALLBRIDGE_TRANSCRIPTION_MODEL=whisper-1", dt.date(2027, 2, 26), "gpt-transcribe"),
        (
            "CALLBRIDGE_REALTIME_SECOND_MODEL=gpt-realtime-mini",
            dt.date(2027, 1, 20),
            "=gpt-realtime-2.1-mini, or off.",
        ),
    ],
)
@pytest.mark.parametrize(("before_days", "verb"), [(30, "is"), (0, "was")])
def test_end_of_a_lesser_model_is_a_warning_only(
    choice: str, end: dt.date, remedy: str, before_days: int, verb: str
) -> None:
    """Without its transcription a call goes on; the second model is asked only when the first one is lost."""
    name, model = choice.split("=")
    found = findings({name: model}, today=end - dt.timedelta(before_days))
    fault = only_fault(found)
    assert f"{model} {verb} switched off on {end}" in fault.what
    assert remedy in fault.remedy
    assert can_take_calls(found)


@pytest.mark.parametrize("variable", ["CALLBRIDGE_REALTIME_MODEL", "CALLBRIDGE_REALTIME_SECOND_MODEL"])
@pytest.mark.parametrize(
    "cap", ["CALLBRIDGE_SPEND_PER_CALL_MAX", "CALLBRIDGE_SPEND_PER_HOUR_MAX", "CALLBRIDGE_SPEND_PER_DAY_MAX"]
)
def test_cap_without_a_price_is_no_cap(cap: str, variable: str) -> None:
    """Whoever relies on a cap is told that it will not hold; without a cap the price does not matter."""
    model = {variable: "gpt-realtime-9"}
    assert any(f"{cap} cannot hold" in fault.what for fault in faults(findings(model | {cap: "5"})))
    assert not any("price" in finding.what for finding in findings(model))


def test_state_may_be_lost_on_a_laptop() -> None:
    found = findings({"CALLBRIDGE_STATE_PATH": "", "PUBLIC_BASE_URL": "http://127.0.0.1:8080"})
    assert [fault.what.split()[0] for fault in faults(found)] == ["PUBLIC_BASE_URL"]
    assert any("memory only" in finding.what for finding in found)


def test_clip_that_is_there_is_fine(tmp_path: Path) -> None:
    clip = tmp_path / "moment.wav"
    clip.touch()
    assert faults(findings({"CALLBRIDGE_CLIP": str(clip)})) == []


def test_transcription_far_from_its_end_is_fine() -> None:
    assert faults(findings({"CALLBRIDGE_TRANSCRIPTION_MODEL": "whisper-1"})) == []


def test_signatures_off_is_a_warning_at_home() -> None:
    """Where only this machine gets in the service starts without the check, and that is told."""
    off = {
        "CALLBRIDGE_VALIDATE_SIGNATURES": "false",
        "CALLBRIDGE_HOST": "127.0.0.1",
        "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
    }
    found = findings(off)
    assert any("remove it elsewhere" in fault.remedy for fault in faults(found))
    assert can_take_calls(found)


def test_names_that_no_setting_has_are_errors() -> None:
    """Each is told beside every other fault, with the name that was meant."""
    found = findings({"CALLBRIDGE_CALL_MAX": "5", "CALLBRIDGE_PORT": "80", "PORT": "http"})
    assert [(fault.level, fault.what, fault.remedy.split(",")[0]) for fault in found] == [
        (Level.ERROR, "CALLBRIDGE_CALL_MAX is no setting", "Did you mean CALLBRIDGE_CALLS_MAX?"),
        (Level.ERROR, "CALLBRIDGE_PORT is no setting", "Did you mean PORT?"),
        (Level.ERROR, "PORT must be a whole number", "Correct it"),
    ]


@pytest.mark.parametrize(
    ("number", "level", "what"),
    [
        (errno.EADDRINUSE, Level.WARNING, "something listens on"),
        (errno.EACCES, Level.ERROR, "one cannot listen on"),
        (errno.EADDRNOTAVAIL, Level.ERROR, "one cannot listen on"),
    ],
)
def test_port_that_cannot_be_had(number: int, level: Level, what: str) -> None:
    """A port in use may be the service itself; an address that cannot be had is fatal."""
    fault = only_fault(findings(failure=OSError(number, "no")))
    assert fault.level is level
    assert what in fault.what


def test_agent_tools_are_listed() -> None:
    found = findings({"CALLBRIDGE_AGENT": "shop:agent"})
    assert any("shop:agent; its tools: end_call" in finding.what for finding in found)


def test_no_secret_is_shown() -> None:
    canary = "sk-canary-123"
    for name in ("OPENAI_API_KEY", "TWILIO_AUTH_TOKEN"):
        assert canary not in repr(findings({name: canary}))


# The port, for real.


def test_try_to_listen_tells_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        failure = try_to_listen("127.0.0.1", port)
        assert failure is not None
        assert failure.errno == errno.EADDRINUSE
    assert try_to_listen("127.0.0.1", port) is None
    assert try_to_listen("192.0.2.1", 8080) is not None, "an address of another machine"


# The command.


def test_command_prints_brackets_as_they_are(only_these: pytest.MonkeyPatch) -> None:
    for name, value in (NEEDED | {"CALLBRIDGE_AGENT": "no[red]:x"}).items():
        only_these.setenv(name, value)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert "CALLBRIDGE_AGENT=no[red]:x" in result.output
