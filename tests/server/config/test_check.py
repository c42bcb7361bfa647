"""`callbridge check`: each fault is found, weighed rightly, and comes with its remedy."""

from __future__ import annotations

import datetime as dt
import errno
import socket
from collections.abc import Mapping
from typing import Annotated

import pytest
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.choosing.gathering import roster_of
from callbridge.cli import app
from callbridge.cli.check import try_to_listen
from callbridge.fields import DateAndTime, PersonName
from callbridge.server.config.check import check
from callbridge.server.config.check_start import Rehearsal
from callbridge.server.config.findings import Finding, Level, can_take_calls, error
from callbridge.server.config.setting_names import variable
from callbridge.server.config.settings import VARIABLES, Settings, find_variables
from desks import NEEDED, UNSIGNED

TODAY = dt.date(2026, 11, 20)
GOOD = NEEDED | {"CALLBRIDGE_STATE_PATH": "calls.sqlite3"}


SEVERAL = Roster(
    {
        "bakery": Agent(),
        "hoarse": Agent(voice="nova"),
        "newer": Agent(model="gpt-realtime-9", reasoning_effort="low"),
        "older": Agent(model="gpt-realtime-1.5", reasoning_effort="high"),
        "gone": Agent(model="gpt-4o-realtime-preview"),
    }
)


class Booking(BaseModel):
    """A table."""

    name: PersonName
    at: Annotated[DateAndTime, Field(description="When they come.")]


def rehearse(settings: Settings) -> Rehearsal:
    """A start that fails for one agent alone."""
    match settings.agent:
        case None:
            return Rehearsal(roster_of(Agent()), ())
        case "shop:agent":
            return Rehearsal(roster_of(Agent(voice="cedar")), ())
        case "shop:desk":
            return Rehearsal(roster_of(Agent(language="ja", person_key="0")), ())
        case "shop:booking":
            booking = Agent()
            booking.capture(Booking)
            return Rehearsal(roster_of(booking), ())
        case "shop:handing":
            billing = Agent(name="billing", voice="marin", spend_max=1)
            return Rehearsal(roster_of(Agent(name="shop", voice="cedar", handoffs=[billing])), ())
        case "shop:hoarse":
            return Rehearsal(roster_of(Agent(voice="nova")), ())
        case "shop:numbers":
            return Rehearsal(SEVERAL, ())
        case name:
            what = f"CALLBRIDGE_AGENT={name}: importing shop failed"
            return Rehearsal(None, (error(what, "Correct CALLBRIDGE_AGENT."),))


def findings(
    changes: Mapping[str, str] | None = None,
    *,
    today: dt.date = TODAY,
    failure: OSError | None = None,
    descriptors: int = 1024,
) -> list[Finding]:
    given = {**GOOD, **(changes or {})}
    assert all(name in VARIABLES for name in given if not name.startswith("CALLBRIDGE_"))
    return check(
        find_variables(given),
        today=today,
        rehearse=rehearse,
        try_to_listen=lambda _host, _port: failure,
        descriptors=descriptors,
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
        "spending is capped at $25 an hour, $100 a day, at the prices of ",
        "live calls end at 120 % of a cap",
    ):
        assert words in text


def test_unusable_settings_are_errors() -> None:
    found = check(
        find_variables({}), today=TODAY, rehearse=rehearse, try_to_listen=lambda *_: None, descriptors=1024
    )
    assert [finding.level for finding in found] == [Level.ERROR] * 4
    assert not can_take_calls(found)
    remedies = {finding.what: finding.remedy for finding in found}
    assert "platform.openai.com" in remedies["OPENAI_API_KEY is not set"]


LOCAL_MODEL = "realtime_url=ws://127.0.0.1:9000/v1/realtime"


def chosen(text: str) -> dict[str, str]:
    """The variables of `field=value, field=value`."""
    return {variable(field): value for field, value in (each.split("=", 1) for each in text.split(", "))}


FAULTS = {
    Level.ERROR: [
        ("openai_api_key=sk-a b", "has a space", "Copy it again"),
        ("openai_api_key=sk-ü", "has a space", "Copy it again"),
        ("public_base_url=https://192.168.1.5", "cannot reach", "tunnel"),
        ("public_base_url=https://pbx.local", "cannot reach", "tunnel"),
        ("public_base_url=https://pbx", "cannot reach", "tunnel"),
        ("realtime_model=gpt-live-1.1", "another protocol", "gpt-realtime-2.1"),
        (
            "realtime_model=gpt-4o-mini-realtime-preview-2024-12-17",
            "beta generation",
            "gpt-realtime-2.1-mini",
        ),
        ("realtime_voice=nova", "voice nova is none of", "CALLBRIDGE_REALTIME_VOICE"),
        ("public_base_url=https://calls.example.com:8443", "on port 443 alone", "remove the port"),
        ("agent=shop:missing", "importing shop failed", "CALLBRIDGE_AGENT"),
        ("agent=shop:hoarse", "voice nova is none of", "CALLBRIDGE_REALTIME_VOICE"),
    ],
    Level.WARNING: [
        ("openai_api_key=org-123", "does not begin with sk-", "api-keys"),
        ("twilio_auth_token=secret", "does not look like one", "console"),
        ("public_base_url=http://127.0.0.1:8080", "only this", "simulated"),
        ("host=127.0.0.1", "only a tunnel", "container"),
        ("transcription_model=hear-9", "not known", "off"),
        ("transcription_model=gpt-live-transcribe", "transcription sessions only", "gpt-transcribe"),
        (f"realtime_voice=nova, {LOCAL_MODEL}", "voice nova is none of", "CALLBRIDGE_REALTIME_VOICE"),
        ("vad_silence_duration_ms=100", "middle of sentences", "300 to 700"),
        ("vad_silence_duration_ms=3000", "that late", "300 to 700"),
        ("vad_threshold=0", "every noise", "0.3 to 0.8"),
        ("vad_threshold=1", "no speech", "0.3 to 0.8"),
        ("vad_eagerness=low", "no effect", "CALLBRIDGE_VAD_KIND=semantic_vad"),
        (
            "vad_kind=semantic_vad, vad_threshold=0.4",
            "CALLBRIDGE_VAD_THRESHOLD has no effect",
            "CALLBRIDGE_VAD_KIND=server_vad",
        ),
        ("truncation_post_instructions_tokens=8000", "no effect", "CALLBRIDGE_TRUNCATION as a ratio"),
        ("state_path=", "after a restart nothing is known", "CALLBRIDGE_STATE_PATH"),
        (
            "caller_memory_days=30, transcription_model=off",
            "what callers say is not remembered",
            "Have it written down",
        ),
        ("fallback_voicemail=false", "apology and nothing else", "CALLBRIDGE_FALLBACK_DIAL"),
        ("fallback_dial_seconds=10", "no effect", "CALLBRIDGE_FALLBACK_DIAL"),
        ("closed_message=Shut.", "CALLBRIDGE_CLOSED_MESSAGE has no effect", "CALLBRIDGE_OFFICE_HOURS"),
        ("nats_stream=calls", "CALLBRIDGE_NATS_STREAM has no effect", "NATS_URL"),
        ("words_kept_days=7", "CALLBRIDGE_WORDS_KEPT_DAYS has no effect", "CALLBRIDGE_KEEP_WORDS"),
        ("words_kept_days=60, keep_words=true", "CALLBRIDGE_WORDS_KEPT_DAYS has no effect", "fewer days"),
        (
            "records_kept_days=60, database_url=off",
            "CALLBRIDGE_RECORDS_KEPT_DAYS has no effect",
            "DATABASE_URL",
        ),
        (
            "fallback_voicemail=false, voicemail_prompt=Hi., fallback_dial=+14155550123",
            "CALLBRIDGE_VOICEMAIL_PROMPT has no effect",
            "CALLBRIDGE_FALLBACK_VOICEMAIL=true",
        ),
        ("realtime_second_model=gpt-live-1", "another protocol", "or off"),
        (
            "spend_per_call_max=5, spend_per_day_max=4",
            "of CALLBRIDGE_SPEND_PER_CALL_MAX, CALLBRIDGE_SPEND_PER_DAY_MAX a longer time has the lower cap",
            "grow",
        ),
    ],
}


@pytest.mark.parametrize(
    ("level", "changes", "what", "remedy"),
    [(level, *case) for level, cases in FAULTS.items() for case in cases],
)
def test_each_fault_is_found(level: Level, changes: str, what: str, remedy: str) -> None:
    """One fault gives one finding, with its weight, in words, with what to do."""
    found = findings(chosen(changes))
    fault = only_fault(found)
    assert fault.level is level
    assert what in fault.what
    assert remedy in fault.remedy
    assert can_take_calls(found) is (level is not Level.ERROR)


@pytest.mark.parametrize(
    "changes",
    [
        "realtime_voice=voice_123abc",
        "realtime_model=gpt-realtime-2.1-mini, reasoning_effort=low",
        "transcription_model=off",
        "transcription_model=whisper-1",
        "transcription_model=gpt-realtime-whisper",
        "agent=shop:agent",
        "vad_kind=semantic_vad, vad_eagerness=low",
        "truncation=0.8, truncation_post_instructions_tokens=8000",
        "realtime_url=ws://127.0.0.1:9000/v1/realtime, openai_api_key=anything",
        "public_base_url=https://8.8.8.8",
        "realtime_second_model=off",
        "fallback_dial=+14155550123, fallback_dial_seconds=10",
        "fallback_dial=+14155550123, fallback_voicemail=false",
        "spend_per_call_max=1, spend_per_hour_max=10, spend_per_day_max=10",
        "spend_per_day_max=10",
        "spend_per_hour_max=off",
    ],
)
def test_good_choices_raise_no_doubt(changes: str) -> None:
    assert faults(findings(chosen(changes))) == []


def test_prices_that_are_old_are_told() -> None:
    """The oldest part of the list is of 21 September 2026: half a year later it is doubted."""
    assert faults(findings(today=dt.date(2027, 3, 20))) == []
    fault = only_fault(findings(today=dt.date(2027, 3, 21)))
    assert (fault.level, "older than 180 days" in fault.what) == (Level.WARNING, True)
    assert "2026-09-21 (telephone, texts)" in fault.what
    assert "CALLBRIDGE_PRICES" in fault.remedy


def test_an_analysis_without_a_price_is_told() -> None:
    told = [fault.what for fault in faults(findings(chosen("analysis_model=of-my-own")))]
    assert "the price of of-my-own is not known: analyses are on no bill" in told
    told = [fault.what for fault in faults(findings(chosen("analysis_model=gpt-5-mini-2025-08-07")))]
    assert not any("bill" in what for what in told)


TODAYS = {"2026-11-20": "OK", "2026-11-21": "WARNING", "2027-01-19": "WARNING", "2027-01-20": "ERROR"}


@pytest.mark.parametrize(("day", "level"), [*TODAYS.items(), ("2027-03-01", "ERROR")])
@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-2025-08-28"])
def test_model_is_warned_of_for_sixty_days(model: str, day: str, level: str) -> None:
    """Before its end a model is warned of, afterwards it is an error; the successor is named."""
    found = findings({"CALLBRIDGE_REALTIME_MODEL": model}, today=dt.date.fromisoformat(day))
    if level == "OK":
        assert faults(found) == []
        return
    fault = only_fault(found)
    assert fault.level is Level[level]
    assert "2027-01-20" in fault.what
    assert fault.remedy == "Set CALLBRIDGE_REALTIME_MODEL=gpt-realtime-2.1."


@pytest.mark.parametrize(
    ("choice", "end", "remedy"),
    [
        ("transcription_model=whisper-1", dt.date(2027, 2, 26), "gpt-transcribe"),
        ("realtime_second_model=gpt-realtime-mini", dt.date(2027, 1, 20), "=gpt-realtime-2.1-mini, or off."),
    ],
)
@pytest.mark.parametrize(("before_days", "verb"), [(30, "is"), (0, "was")])
def test_end_of_a_lesser_model_is_a_warning_only(
    choice: str, end: dt.date, remedy: str, before_days: int, verb: str
) -> None:
    """Without its transcription a call goes on; the second model is asked only when the first one is lost."""
    model = choice.split("=")[1]
    found = findings(chosen(choice), today=end - dt.timedelta(before_days))
    fault = only_fault(found)
    assert f"{model} {verb} switched off on {end}" in fault.what
    assert remedy in fault.remedy
    assert can_take_calls(found)


@pytest.mark.parametrize(
    ("choice", "what", "remedy"),
    [
        ("realtime_model=gpt-realtime-9", "not known", "correct the name"),
        ("realtime_second_model=gpt-realtime-9", "not known", "off"),
    ],
)
def test_caps_without_a_price_are_no_caps(choice: str, what: str, remedy: str) -> None:
    """The model may be right, and newer than this version: who relies on the caps must know all the same."""
    model, caps = faults(findings(chosen(choice)))
    assert (model.level, caps.level) == (Level.WARNING, Level.WARNING)
    assert what in model.what
    assert remedy in model.remedy
    assert f"cannot hold: the price of {choice.split('=')[1]} is not known" in caps.what
    assert not any("is capped" in finding.what for finding in findings(chosen(choice)))


UNCAPPED = "spend_per_hour_max=off, spend_per_day_max=off"


@pytest.mark.parametrize("more", ["", ", spend_per_call_max=1"])
def test_no_cap_for_all_calls_is_no_accident(more: str) -> None:
    """The cap of a call bounds no number of calls."""
    fault = only_fault(findings(chosen(UNCAPPED + more)))
    assert "no cap on what all calls together cost" in fault.what
    assert "CALLBRIDGE_SPEND_PER_DAY_MAX" in fault.remedy


def test_state_may_be_lost_on_a_laptop() -> None:
    found = findings({"CALLBRIDGE_STATE_PATH": "", "PUBLIC_BASE_URL": "http://127.0.0.1:8080"})
    assert [fault.what.split()[0] for fault in faults(found)] == ["PUBLIC_BASE_URL"]
    assert any("memory only" in finding.what for finding in found)


def test_signatures_off_is_a_warning_at_home() -> None:
    """Where only this machine gets in the service starts without the check, and that is told."""
    found = findings(UNSIGNED)
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
    for_callers, for_operators = faults(findings(failure=OSError(number, "no")))
    assert for_callers.level is for_operators.level is level
    assert what in for_callers.what
    assert "operators" in for_operators.what


@pytest.mark.parametrize(
    ("changes", "level", "what"),
    [
        ({"CALLBRIDGE_CONTROL_PORT": "8080"}, Level.ERROR, "CALLBRIDGE_CONTROL_PORT is 8080, as PORT is"),
        ({"CALLBRIDGE_CONTROL_HOST": "10.1.2.3"}, Level.WARNING, "other machines reach what operators ask"),
    ],
)
def test_who_can_ask_as_an_operator(changes: dict[str, str], level: Level, what: str) -> None:
    fault = only_fault(findings(changes))
    assert fault.level is level
    assert what in fault.what


def test_agent_tools_are_listed() -> None:
    found = findings({"CALLBRIDGE_AGENT": "shop:agent"})
    assert any("shop:agent; its tools: end_call" in finding.what for finding in found)


def test_a_key_for_a_person_needs_one() -> None:
    """What the agent itself says of its callers is told."""
    desk = {"CALLBRIDGE_AGENT": "shop:desk"}
    fault = only_fault(findings(desk))
    assert (fault.level, "key 0 leads to no person" in fault.what) == (Level.WARNING, True)
    found = findings(desk | {"CALLBRIDGE_FALLBACK_DIAL": "+14155550123"})
    assert faults(found) == []
    assert any(finding.what == "its callers speak Japanese" for finding in found)


def test_what_does_not_count_of_an_agent_that_is_handed_to_is_told() -> None:
    found = findings({"CALLBRIDGE_AGENT": "shop:handing"})
    assert any("its callers may be handed over to billing" in finding.what for finding in found)
    warned = only_fault(found)
    what = "agent billing: in calls that shop takes, its voice, spend_max does not count"
    assert (warned.level, warned.what) == (Level.WARNING, what)


def test_times_want_a_clock() -> None:
    """Three o'clock is another moment elsewhere."""
    booking = {"CALLBRIDGE_AGENT": "shop:booking"}
    assert "its clock shows UTC" in only_fault(findings(booking)).what
    assert faults(findings(booking | {"CALLBRIDGE_TIME_ZONE": "UTC"})) == []


def test_each_of_several_agents_is_looked_at() -> None:
    """A fault says whose it is."""
    found = findings({"CALLBRIDGE_AGENT": "shop:numbers"})
    assert any(
        "the agents are bakery, hoarse, newer, older, gone; bakery answers in doubt" in f.what for f in found
    )
    assert any("agent bakery: its tools: end_call" in finding.what for finding in found)
    assert [(fault.level, fault.what) for fault in faults(found)] == [
        (Level.ERROR, only_of(found, "agent hoarse: the voice nova is none of ")),
        (Level.WARNING, "model=gpt-realtime-9 of agent newer is not known to this version of callbridge"),
        (
            Level.ERROR,
            only_of(found, "agent older: reasoning_effort=high is set, but gpt-realtime-1.5 "),
        ),
        (Level.ERROR, only_of(found, "model=gpt-4o-realtime-preview of agent gone cannot answer a call: ")),
        (
            Level.WARNING,
            only_of(
                found,
                "the caps on spending cannot hold: the price of gpt-realtime-9, which speaks for newer,",
            ),
        ),
    ]


def only_of(found: list[Finding], begin: str) -> str:
    """What begins so, word for word."""
    (what,) = [finding.what for finding in found if finding.what.startswith(begin)]
    return what


def test_what_the_vendors_say_is_told_last() -> None:
    """They are asked only when there is an agent whose session could be had."""
    asked = []

    def ask(settings: Settings, roster: Roster) -> list[Finding]:
        asked.append((settings.realtime_model, roster.agents[roster.default].voice))
        return [error("no key", "Buy one.")]

    def told(agent: str) -> list[Finding]:
        return check(
            find_variables(GOOD | {"CALLBRIDGE_AGENT": agent}),
            today=TODAY,
            rehearse=rehearse,
            try_to_listen=lambda *_: None,
            descriptors=1024,
            ask_vendors=ask,
        )

    assert told("shop:agent")[-1].what == "no key"
    assert "no key" not in {finding.what for finding in told("shop:missing")}
    assert asked == [("gpt-realtime-2.1", "cedar")]


@pytest.mark.parametrize(("workers", "is_told"), [("2", True), ("1", False), ("", False), ("auto", False)])
def test_several_processes_of_one_service_are_warned_of(workers: str, is_told: bool) -> None:
    found = check(
        find_variables(GOOD | {"WEB_CONCURRENCY": workers}),
        today=TODAY,
        rehearse=rehearse,
        try_to_listen=lambda *_: None,
        descriptors=1024,
    )
    assert any("WEB_CONCURRENCY is 2" in fault.what for fault in faults(found)) is is_told
    assert can_take_calls(found)


def test_no_secret_is_shown() -> None:
    canary = "sk-canary-123"
    for name in ("OPENAI_API_KEY", "TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID"):
        assert canary not in repr(findings({name: canary}))


def test_try_to_listen_tells_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        failure = try_to_listen("127.0.0.1", port)
        assert failure is not None
        assert failure.errno == errno.EADDRINUSE
    assert try_to_listen("127.0.0.1", port) is None
    assert try_to_listen("192.0.2.1", 8080) is not None, "an address of another machine"


def test_command_prints_brackets_as_they_are(only_these: pytest.MonkeyPatch) -> None:
    for name, value in (NEEDED | {"CALLBRIDGE_AGENT": "no[red]:x"}).items():
        only_these.setenv(name, value)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert "CALLBRIDGE_AGENT=no[red]:x" in result.output
