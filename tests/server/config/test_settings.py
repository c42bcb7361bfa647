"""Settings: what is read, what is refused, and that a refusal says what to do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import VARIABLES, Settings, read_settings
from desks import NEEDED

LOOPBACK = {"CALLBRIDGE_HOST": "127.0.0.1", "PUBLIC_BASE_URL": "http://127.0.0.1:8080"}
EXAMPLE = Path(__file__).parents[3] / ".env.example"


def settings(**changes: str) -> Settings:
    assert changes.keys() <= set(VARIABLES), "a test sets what nothing reads"
    return read_settings(NEEDED | changes)


def refusal(**changes: str) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    return str(caught.value)


def test_defaults() -> None:
    """With the four needed variables a call can be taken. The other defaults: where .env.example is read."""
    assert (settings().second_model, settings().transcribes) == ("gpt-realtime-2.1-mini", True)


def test_the_host_grants_more_than_the_drain() -> None:
    """Of what fly.toml gives a process that stops, half a minute at least is left for handing over."""
    granted_s = tomllib.loads((EXAMPLE.parent / "fly.toml").read_text())["kill_timeout"]
    assert settings().drain_seconds <= granted_s - 30


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("gpt-realtime-2.1", "gpt-realtime-2", "gpt-realtime-2"),
        ("gpt-realtime-2.1", "off", None),
        ("gpt-realtime-2.1-mini", "gpt-realtime-2.1-mini", None),
    ],
)
def test_second_model_is_another_one(first: str, second: str, expected: str | None) -> None:
    """Dialling the model that was not found once more is no second choice."""
    subject = settings(CALLBRIDGE_REALTIME_MODEL=first, CALLBRIDGE_REALTIME_SECOND_MODEL=second)
    assert subject.second_model == expected


def test_addresses_that_twilio_is_told() -> None:
    """All public addresses come from the one base URL."""
    subject = settings()
    for name in (
        "voice",
        "stream-status",
        "call-status",
        "fallback-dialed",
        "fallback-menu",
        "voicemail-left",
        "voicemail-status",
    ):
        url = getattr(subject, name.replace("-", "_") + "_url")
        assert url == f"https://calls.example.com/twilio/{name}"
    assert subject.action_url == "https://calls.example.com/twilio/stream-ended"
    assert subject.stream_url == "wss://calls.example.com/media-stream"


@pytest.mark.parametrize(
    ("given", "base", "stream"),
    [
        ("https://Calls.Example.COM/", "https://Calls.Example.COM", "wss://Calls.Example.COM"),
        ("https://x.example/calls/", "https://x.example/calls", "wss://x.example/calls"),
        ("https://x.example:8443/a/b-1", "https://x.example:8443/a/b-1", "wss://x.example:8443/a/b-1"),
        ("HTTPS://x.example:443", "https://x.example", "wss://x.example"),
        ("https://x.example:8443/", "https://x.example:8443", "wss://x.example:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("http://localhost:80", "http://localhost", "ws://localhost"),
        ("http://[::1]:8080", "http://[::1]:8080", "ws://[::1]:8080"),
        ("  https://x.example  ", "https://x.example", "wss://x.example"),
    ],
)
def test_base_url_is_brought_to_one_form(given: str, base: str, stream: str) -> None:
    """Default port, trailing slash and spaces do not matter; http is for this machine. Capitals of the host
    stay: Twilio signs the address as it was entered.
    """
    subject = settings(PUBLIC_BASE_URL=given)
    assert subject.public_base_url == base
    assert subject.stream_url == stream + "/media-stream"


USELESS = {
    "must begin with https://": "http://calls.example.com http://10.0.0.1",
    "Write the host as xn--mnchen-3ya.example": "https://münchen.example",
    "has letters in its path": "https://x.example/ü",
    "has a space, a line break": "https://x.exa\x00mple https://x.exa\x7fmple",
    "must be an address such as": "calls.example.com wss://calls.example.com https:// https://[::1 "
    "https://x.example:99999 https://x.example:0",
    "must be a host, and perhaps a plain path": "https://x.example?a=1 https://x.example#rc=2 "
    "https://x.example/a//b https://x.example/../b https://x.example/caf%C3%A9 https://x.example/a;b",
    "must be what stands before": "https://x.example/twilio/voice https://x.example/calls/media-stream/",
    "must not carry a user name": "https://me:pw@x.example",
    "underscore": "https://my_calls.example",
}


@pytest.mark.parametrize(
    ("given", "reason"), [(given, reason) for reason, those in USELESS.items() for given in those.split()]
)
def test_base_url_that_twilio_could_not_use_is_refused(given: str, reason: str) -> None:
    """A base URL that would fail at the first call fails at the start, in words."""
    text = refusal(PUBLIC_BASE_URL=given)
    assert text.startswith("PUBLIC_BASE_URL ")
    assert reason in text
    assert "https://my-calls.fly.dev" in text or reason.startswith("Write")


def test_everything_missing_is_named_at_once_with_its_remedy() -> None:
    """A first start says all that it needs, and where to get it."""
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    problems = {problem.name: problem for problem in caught.value.problems}
    assert set(problems) == set(NEEDED)
    assert {problem.what for problem in problems.values()} == {"is not set"}
    assert "platform.openai.com" in problems["OPENAI_API_KEY"].remedy
    assert "console.twilio.com" in problems["TWILIO_AUTH_TOKEN"].remedy


def test_what_machines_share_is_on_a_server() -> None:
    """And only on one: a file is one machine's."""
    subject = settings(CALLBRIDGE_SHARED_STATE="database", DATABASE_URL=EXAMPLES["database_url"])
    assert subject.shared_state_url == EXAMPLES["database_url"]
    assert settings(DATABASE_URL=EXAMPLES["database_url"]).shared_state_url is None
    for url in ("", "off", "sqlite:////tmp/records.db"):
        text = refusal(CALLBRIDGE_SHARED_STATE="database", DATABASE_URL=url)
        assert "DATABASE_URL names no PostgreSQL" in text
        assert "or remove CALLBRIDGE_SHARED_STATE" in text


def test_empty_and_blank_mean_not_set() -> None:
    """An empty variable gives the default, or is missing where there is none."""
    subject = settings(PORT="", CALLBRIDGE_LANGUAGE=" ", CALLBRIDGE_AGENT="", CALLBRIDGE_LOG_LEVEL="")
    assert (subject.port, subject.language, subject.agent) == (8080, None, None)
    assert refusal(OPENAI_API_KEY=" ").startswith("OPENAI_API_KEY is not set.")


def test_surrounding_space_is_cut() -> None:
    """A newline behind a key, the classic of secret stores, does no harm."""
    assert settings(OPENAI_API_KEY="sk-x\n").openai_api_key.get_secret_value() == "sk-x"


WRONG = {
    "must be AC followed by 32": "twilio_account_sid=AC123, twilio_account_sid=sk-key",
    "has the SID of an API key (SK…)": f"twilio_account_sid=SK{'0' * 32}",
    "has a SID of Twilio (AC…)": f"openai_api_key=AC{'0' * 32}",
    "has a SID of Twilio (SK…)": f"openai_api_key=SK{'0' * 32}",
    "has a space or a character that no key has": "openai_api_key=sk-a b, openai_api_key=sk-ü, "
    "openai_api_key=sk-a\r\nHost: x",
    "has a key of OpenAI": "twilio_auth_token=sk-proj-1, other_auth_tokens=sk-proj-1",
    "an address or a host name alone": "host=[::1], host=127.0.0.1:8080, host=hünchen, host=a b, "
    "control_host=http://127.0.0.1",
    "has a SID (AC…)": f"twilio_auth_token=AC{'0' * 32}",
    "has a space, a line break": "realtime_url=wss://x.example/v1\r\nHost:y/realtime, "
    "realtime_url=wss://x.exam ple, realtime_model=gpt-realtime\r\nX:y, realtime_second_model=gpt realtime, "
    "realtime_voice=marin\x1b[2J, transcription_model=gpt\ntranscribe",
    "must be a whole number": "port=http, vad_silence_duration_ms=1.5, call_starts_per_second=0.5, "
    "calls_per_caller_day=few",
    "must be a number": "vad_threshold=loud",
    "from 1 to 365, or off": "caller_memory_days=0, caller_memory_days=366, caller_memory_days=a week",
    "at least 0.01, or off for no cap": "spend_per_hour_max=inf, spend_per_hour_max=nan, "
    "spend_per_day_max=$5, spend_per_call_max=0, spend_per_day_max=-1, spend_per_hour_max=none",
    "entry 1 is not": "calls_per_caller_of=+14155550100, calls_per_caller_of=30, "
    "calls_per_caller_of=+14155550100=many, calls_per_caller_of=+14155550100=-1, "
    "calls_per_caller_of=anonymous=3, calls_per_caller_of=sip:alice@pbx.example.com=3, "
    "calls_per_caller_of==3",
    "must be at least 0": "truncation_post_instructions_tokens=-1, caller_silence_seconds=-1, "
    "calls_per_caller=-1, calls_per_caller_10_minutes=-1, anonymous_calls_max=-1, anonymous_calls_day=-1",
    "must be at least 1": "port=0, call_minutes_max=0, calls_max=0, texts_per_caller_day=0, texts_per_day=0",
    "must be at least 5": "fallback_dial_seconds=4",
    "must be at most 1": "vad_threshold=1.1, vad_threshold=nan",
    "must be at most 60": "fallback_dial_seconds=61",
    "must be at most 1440": "call_minutes_max=1441",
    "must be at most 3600": "drain_seconds=3601",
    "must be at most 65535": "port=70000",
    "must be true or false": "validate_signatures=perhaps, fallback_voicemail=perhaps, predial=soon",
    "must be an address such as wss://": "realtime_url=https://api.openai.com",
    "must begin with wss://": "realtime_url=ws://models.example",
    "CALLBRIDGE_REALTIME_MODEL": "realtime_url=wss://models.example?model=x",
    "must be one of minimal, low, medium, high or xhigh": "reasoning_effort=huge",
    "must be one of off, near_field or far_field": "noise_reduction=much",
    "must be one of server_vad or semantic_vad": "vad_kind=none",
    "must be one of auto, low, medium or high": "vad_eagerness=very",
    "must be one of auto, json or console": "log_format=xml",
    "must be DEBUG, INFO, WARNING or ERROR": "log_level=LOUD",
    "from 1 to 4096, or inf": "max_output_tokens=0, max_output_tokens=5000, max_output_tokens=many",
    "a ratio from 0 to 1": "truncation=1.5, truncation=nan, truncation=never",
    "two small letters": "language=english, language=de_DE, language=DE, language=de-de",
    "Perhaps ja is meant": "language=jp, language=jp-JP",
    "of ISO-639-1": "language=xx",
    "a phone number with its country code": "fallback_dial=4155550123, fallback_dial=+0155550123, "
    "fallback_dial=+1 415 555 0123, fallback_dial=sip:me@example.com",
    "or the SID of a Messaging Service": "text_from=4155550123, text_from=MG12, text_from=Harbour",
    "ends in .wav or .ulaw": "clip=moment.mp3",
    "with a comma between one and the next": "other_auth_tokens=a,,b",
    "must be at most 4 auth tokens": "other_auth_tokens=a,b,c,d,e",
    "must have at least 16 characters": "control_key=0123456789abcde",
    "a letter that no header can carry": f"control_key={'ä' * 16}",
    "must be nats://host:4222 or tls://host:4222": "nats_url=127.0.0.1:4222, nats_url=http://x.example, "
    "nats_url=nats://",
    "must end with the port": "nats_url=nats://x.example/stream, nats_url=nats://x.example?a=b",
    "has an address that cannot be read": "nats_url=nats://x.example:port",
    "letters, digits, - and _, perhaps in parts": "nats_subject=calls.>, nats_subject=a..b, nats_subject=a b",
    "which is no kind of facts. There are": "nats_events=fact.x",
    "has 'completed'; there are call.completed": "nats_events=completed",
    "such as redis://host:6379/0": "redis_url=http://redis, redis_url=redis, redis_url=redis://, "
    "redis_url=redis://host:x",
    "the number of a database": "redis_url=redis://host/calls",
    "in a password, %40 in the place of @": "database_url=postgresql://u:pass@word@host/calls, "
    "database_url=postgresql://u:p@host:port/calls, database_url=postgres://u:p@one:1,two:2/calls",
    "must have at least 32 characters": "secret_key=0123456789abcdef0123456789abcde, "
    "mcp_token=0123456789abcdef0123456789abcde",
}
"""What is said of these fields with these values."""


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [(*case.split("=", 1), reason) for reason, cases in WRONG.items() for case in cases.split(", ")],
)
def test_wrong_values_are_refused_in_words(field: str, value: str, reason: str) -> None:
    """Each wrong value names its variable, the rule and a remedy, and no library's jargon."""
    text = refusal(**{variable(field): value})
    assert text.startswith(f"{variable(field)} ")
    assert reason in text
    assert text.endswith(".")
    assert "pydantic" not in text.lower()
    assert "validation error" not in text.lower()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("WSS://API.OpenAI.com/v1/Realtime", "wss://api.openai.com/v1/Realtime"),
        ("Ws://LOCALHOST:9000/v1/realtime", "ws://localhost:9000/v1/realtime"),
    ],
)
def test_address_of_the_model_is_brought_to_one_form(given: str, expected: str) -> None:
    """Whether it is dialled with TLS is read off its scheme."""
    assert settings(CALLBRIDGE_REALTIME_URL=given).realtime_url == expected


def test_numbers_and_switches_are_read() -> None:
    """What stands in variables as text comes out as what it means."""
    subject = settings(
        CALLBRIDGE_MAX_OUTPUT_TOKENS="800",
        CALLBRIDGE_TRUNCATION="0.8",
        CALLBRIDGE_TRUNCATION_POST_INSTRUCTIONS_TOKENS="8000",
        CALLBRIDGE_TRANSCRIPTION_MODEL="off",
        CALLBRIDGE_LOG_LEVEL="debug",
        CALLBRIDGE_LOG_TRANSCRIPTS="true",
        CALLBRIDGE_REASONING_EFFORT="low",
        CALLBRIDGE_SPEND_PER_CALL_MAX="0.5",
        CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES="0",
        CALLBRIDGE_FALLBACK_DIAL="+14155550123",
        CALLBRIDGE_CLIP="sounds/Moment.WAV",
        CALLBRIDGE_STATE_PATH="/data/calls.sqlite3",
    )
    assert (subject.spend_per_call_max, subject.calls_per_caller_10_minutes) == (0.5, 0)
    assert subject.fallback_dial == "+14155550123"
    assert (subject.clip, subject.state_path) == (Path("sounds/Moment.WAV"), Path("/data/calls.sqlite3"))
    assert subject.max_output_tokens == 800
    assert (subject.truncation, subject.truncation_post_instructions_tokens) == (0.8, 8000)
    assert not subject.transcribes
    assert (subject.log_level, subject.log_transcripts) == ("DEBUG", True)
    assert subject.reasoning_effort == "low"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
def test_signatures_may_be_off_on_loopback(host: str) -> None:
    """On one's own machine the check can be switched off."""
    subject = settings(CALLBRIDGE_VALIDATE_SIGNATURES="false", **LOOPBACK | {"CALLBRIDGE_HOST": host})
    assert not subject.validate_signatures
    assert subject.listens_on_loopback
    assert not subject.is_public


HOST_CLOSED, BASE_CLOSED = "CALLBRIDGE_HOST=127.0.0.1", "PUBLIC_BASE_URL=http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        *(
            ({"CALLBRIDGE_HOST": host}, HOST_CLOSED)
            for host in ("", "::", "10.0.0.1", "myhost", "127.0.0.1.x.com")
        ),
        ({"PUBLIC_BASE_URL": "https://some-words.trycloudflare.com"}, BASE_CLOSED),
        (
            {"PUBLIC_BASE_URL": "https://127.0.0.1.x.com", "CALLBRIDGE_HOST": ""},
            f"{HOST_CLOSED} and {BASE_CLOSED}",
        ),
    ],
)
def test_signatures_may_not_be_off_where_others_can_come_in(changes: dict[str, str], remedy: str) -> None:
    """Neither a socket that is open to others nor a tunnel to a closed one: refused, with both ways out."""
    text = refusal(**LOOPBACK | {"CALLBRIDGE_VALIDATE_SIGNATURES": "false"} | changes)
    assert text.startswith("CALLBRIDGE_VALIDATE_SIGNATURES is false")
    assert text.endswith(f"Set {remedy}, or remove CALLBRIDGE_VALIDATE_SIGNATURES.")


@pytest.mark.parametrize(
    ("variable_of", "model"),
    [
        *(("MODEL", model) for model in ("gpt-realtime-1.5", "gpt-realtime", "gpt-realtime-mini-2025-12-15")),
        ("SECOND_MODEL", "gpt-realtime-1.5"),
    ],
)
def test_reasoning_needs_models_that_reason(variable_of: str, model: str) -> None:
    """A model that would refuse the whole session because of the effort is found out here: the second one
    gets the same session.
    """
    choice = {f"CALLBRIDGE_REALTIME_{variable_of}": model}
    text = refusal(CALLBRIDGE_REASONING_EFFORT="low", **choice)
    assert text.startswith(f"CALLBRIDGE_REASONING_EFFORT is set, but {model} does not reason")
    assert variable_of == "MODEL" or "CALLBRIDGE_REALTIME_SECOND_MODEL=gpt-realtime-2.1-mini" in text
    assert settings(**choice).reasoning_effort is None


def test_unknown_model_is_trusted_with_reasoning() -> None:
    """A model that is newer than this version is let through."""
    assert settings(
        CALLBRIDGE_REASONING_EFFORT="low", CALLBRIDGE_REALTIME_MODEL="gpt-realtime-9"
    ).reasoning_effort


def test_secrets_stay_out_of_sight() -> None:
    """Neither repr, dump nor error message shows a key, even one that is wrong."""
    canary = "sk-canary-123"
    hidden = {
        "CALLBRIDGE_OTHER_AUTH_TOKENS": f"x,{canary.removeprefix('sk-')}",
        "CALLBRIDGE_SECRET_KEY": canary * 3,
        "CALLBRIDGE_CONTROL_KEY": canary * 2,
    }
    subject = settings(OPENAI_API_KEY=canary, TWILIO_AUTH_TOKEN=canary.removeprefix("sk-"), **hidden)
    for text in (repr(subject), str(subject), repr(subject.model_dump()), subject.model_dump_json()):
        assert "canary" not in text
    wrong = {"CALLBRIDGE_OTHER_AUTH_TOKENS": f"{canary},,", "CALLBRIDGE_SECRET_KEY": canary}
    wrong["CALLBRIDGE_CONTROL_KEY"] = canary
    assert canary not in refusal(TWILIO_ACCOUNT_SID=canary, PORT=canary, TWILIO_AUTH_TOKEN=canary, **wrong)
    assert canary not in refusal(OPENAI_API_KEY=canary + " ü")


def test_all_secrets_are_known_to_whoever_blanks_them() -> None:
    """Each secret field, and each token of a list, since a log would show it alone."""
    fields = [field for field, info in Settings.model_fields.items() if "Secret" in str(info.annotation)]
    values = {variable(field): f"secret-{field}-{'x' * 32}" for field in fields}
    signing = [EXAMPLES["webhook_secret"], f"whsec_{'B' * 32}"]
    whole = {
        "CALLBRIDGE_OTHER_AUTH_TOKENS": "first one, second one",
        "TWILIO_API_KEY_SID": f"SK{'0' * 32}",
        "DATABASE_URL": EXAMPLES["database_url"],
        "REDIS_URL": EXAMPLES["redis_url"],
        "CALLBRIDGE_RECORDINGS_KEY_ID": "made-up-id",
        "CALLBRIDGE_RECORDS_KEY": EXAMPLES["records_key"],
        "CALLBRIDGE_WEBHOOK_URL": EXAMPLES["webhook_url"],
        "CALLBRIDGE_WEBHOOK_SECRET": ", ".join(signing),
        "NATS_URL": "tls://calls:pass%2Fword-2@a.example.com, tls://b.example.com",
    }
    subject = settings(**values | whole)
    shown_alone = {
        "first one",
        "second one",
        "password-1",
        "password-2",
        "pass%2Fword-2",
        "pass/word-2",
        *signing,
    }
    assert {*(values | whole).values(), *shown_alone} - set(subject.secrets) == {
        whole["TWILIO_API_KEY_SID"],
        "made-up-id",
    }


def test_auth_tokens_are_each_known_once_and_the_own_one_first() -> None:
    """So a list may name the own one too: in a rotation all processes then have the same list."""
    assert settings().auth_tokens == (NEEDED["TWILIO_AUTH_TOKEN"],)
    others = f" next ,{NEEDED['TWILIO_AUTH_TOKEN']}, ie1 "
    assert settings(CALLBRIDGE_OTHER_AUTH_TOKENS=others).auth_tokens == (
        NEEDED["TWILIO_AUTH_TOKEN"],
        "next",
        "ie1",
    )
    assert settings().own_secret == NEEDED["TWILIO_AUTH_TOKEN"]
    assert settings(CALLBRIDGE_SECRET_KEY="k" * 32).own_secret == "k" * 32


OWN_TEXT = "A text of one's own."

EXAMPLES = {
    "agent": "shop:agent",
    "agent_greeting": OWN_TEXT,
    "agent_instructions": OWN_TEXT,
    "apology": OWN_TEXT,
    "caller_limit_message": OWN_TEXT,
    "closed_message": OWN_TEXT,
    "goodbye": OWN_TEXT,
    "one_moment": OWN_TEXT,
    "voicemail_prompt": OWN_TEXT,
    "answer_patience_seconds": "8",
    "calls_per_caller_of": "+14155550100=30,sip:[::1]=50",
    "clip": "moment.wav",
    "prices": str(EXAMPLE.parent / "src/callbridge/server/config/prices.toml"),
    "control_key": "0123456789abcdef",
    "mcp_token": "0123456789abcdef" * 2,
    "nats_url": "tls://nats.example.com:4222",
    "nats_ca": "authorities.pem",
    "nats_events": "call.completed, fact.tool_used",
    "fallback_caller_id": "+14155550188",
    "other_auth_tokens": "0123,4567",
    "secret_key": "0123456789abcdef0123456789abcdef",
    "fallback_dial": "+14155550123",
    "fallback_menu": '{"1": {"label": "sales", "dial": "+14155550123"}}',
    "office_hours": "Mo-Fr 9:00-17:30",
    "language": "en",
    "machine": "web-1",
    "reasoning_effort": "low",
    "say_language": "de-DE",
    "say_voice": "Polly.Vicki",
    "caller_memory_days": "30",
    "records_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "words_kept_days": "7",
    "database_url": "postgresql://records:password-1@db.example.com/calls",
    "redis_url": "rediss://calls:password-2@redis.example.com:6380/1",
    "spend_per_call_max": "1",
    "state_path": "state.sqlite",
    "text_from": f"MG{'0' * 32}",
    "traces_for": "langfuse,phoenix",
    "truncation_post_instructions_tokens": "8000",
    "twilio_api_key_secret": "key-secret",
    "twilio_api_key_sid": f"SK{'0' * 32}",
    "twilio_api_url": "http://127.0.0.1:9100",
    "recordings": "s3://bucket/calls",
    "recordings_endpoint": "http://127.0.0.1:9000",
    "recordings_region": "eu-central-1",
    "twilio_edge": "dublin",
    "twilio_region": "ie1",
    "webhooks": "webhooks.toml",
    "webhook_facts": "captured, tool_used",
    "webhook_secret": f"whsec_{'A' * 32}",
    "webhook_url": "https://crm.example.com/calls",
}
"""A value for what has no default."""


BY_OTHERS_NAMES = (
    *("TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET", "TWILIO_REGION", "TWILIO_EDGE"),
    *("DATABASE_URL", "NATS_URL", "REDIS_URL", "OPENAI_ADMIN_KEY"),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"),
    *("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"),
)
"""What Twilio and others call their own: no bare names of ours."""


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process with no settings at all, and no .env file."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def given(process: pytest.MonkeyPatch, **changes: str) -> None:
    """A process that has the needed variables, and these."""
    for name, value in (NEEDED | changes).items():
        process.setenv(name, value)


def test_each_variable_sets_its_field(process: pytest.MonkeyPatch) -> None:
    """What `variable` says of a field is the name under which the process is asked for it."""
    for field, info in Settings.model_fields.items():
        name = variable(field)
        process.setenv(name, NEEDED.get(name) or EXAMPLES.get(field) or str(info.default))
    assert read_settings().model_fields_set == set(Settings.model_fields)


def test_a_name_without_the_prefix_is_of_other_programs(process: pytest.MonkeyPatch) -> None:
    """LANGUAGE of a desktop, HOST of conda: no field of ours is set by its bare name, and nothing is said."""
    for field in Settings.model_fields:
        process.setenv(field.upper(), "en_US:en")
    given(process)
    for name in (*BY_OTHERS_NAMES, "PORT"):
        process.delenv(name)
    assert read_settings().model_fields_set == {name.lower() for name in NEEDED}


def test_settings_made_in_python_are_what_is_passed(process: pytest.MonkeyPatch) -> None:
    """Whoever makes them in code names the fields. No variable has a say, and no name slips through."""
    given(process, PORT="1", CALLBRIDGE_REALTIME_VOICE="cedar")
    fields = {name.lower(): value for name, value in NEEDED.items()}
    subject = Settings(**fields, port=7777)  # type: ignore[arg-type]  # Text becomes the type.
    assert (subject.port, subject.realtime_voice) == (7777, "marin")
    with pytest.raises(ValidationError, match="prot"):
        Settings(**fields, prot=7777)  # type: ignore[arg-type, call-arg]  # As above; a slip.


@pytest.mark.parametrize("name", ["CALLBRIDGE_AGNET", "callbridge_agnet"])
def test_a_name_that_no_setting_has_is_a_fault(
    process: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """In the environment or in .env, it is told beside the other faults; case is not what matters."""
    (tmp_path / ".env").write_text(f"{name}=a:b\nCOMPOSE_PROJECT_NAME=shop\n")
    process.setenv("CALLBRIDGE_PORT", "80")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    texts = {problem.name: str(problem) for problem in caught.value.problems}
    assert set(texts) == {*NEEDED, "CALLBRIDGE_AGNET", "CALLBRIDGE_PORT"}
    assert texts["CALLBRIDGE_AGNET"] == (
        "CALLBRIDGE_AGNET (.env, line 1) is no setting. Did you mean CALLBRIDGE_AGENT?"
    )
    assert texts["CALLBRIDGE_PORT"] == "CALLBRIDGE_PORT is no setting. Did you mean PORT?"


def test_a_service_of_kubernetes_is_no_setting(process: pytest.MonkeyPatch) -> None:
    """Its address, which looks like a setting of ours, neither stops the process nor becomes its port."""
    given(process, CALLBRIDGE_PORT="tcp://10.0.0.11:80")
    assert read_settings().port == 8080


def test_given_environment_is_all_that_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables of the process and a .env file have no say when an environment is passed in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "9999")
    (tmp_path / ".env").write_text("CALLBRIDGE_REALTIME_VOICE=cedar\n")
    assert (settings().port, settings().realtime_voice) == (8080, "marin")


def test_process_environment_wins_over_the_env_file(process: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an argument the process is read, then .env; an empty variable hides nothing."""
    lines = [f"{name}={value}" for name, value in NEEDED.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "PORT=7777", "CALLBRIDGE_REALTIME_VOICE=cedar", "X=1"]))
    process.setenv("PORT", "9999")
    process.setenv("CALLBRIDGE_REALTIME_VOICE", "")
    subject = read_settings()
    assert (subject.port, subject.realtime_voice) == (9999, "cedar")


def test_faults_of_the_process_environment_are_told_the_same_way(process: pytest.MonkeyPatch) -> None:
    """The name in the message is the variable's, wherever the value came from."""
    process.setenv("PORT", "abc")
    process.setenv("CALLBRIDGE_CALLS_MAX", "many")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert {problem.name for problem in caught.value.problems} == {*NEEDED, "PORT", "CALLBRIDGE_CALLS_MAX"}


def documented() -> dict[str, tuple[str, bool]]:
    """Each variable of .env.example: its value, and whether it is commented out."""
    found = re.findall(r"^(# )?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    return {name: (value, bool(comment)) for comment, name, value in found}


def test_example_names_every_setting_and_no_other() -> None:
    """Whoever copies the file sees all there is."""
    assert set(documented()) == set(VARIABLES)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_example_shows_the_default(name: str) -> None:
    """A needed variable stands open and empty, any other commented out with its default."""
    field = Settings.model_fields[name]
    value, is_comment = documented()[variable(name)]
    if field.is_required():
        assert (value, is_comment) == ("", False)
        return
    default = field.default
    shown = str(default).lower() if isinstance(default, bool) else str(default or "")
    assert (value, is_comment) == (shown, True)


def test_example_with_all_comments_removed_is_valid() -> None:
    """Every default in the file is one that Settings takes."""
    example = {name: value for name, (value, _) in documented().items()}
    assert read_settings(example | NEEDED) == settings()


def test_example_explains_every_variable() -> None:
    """Above each variable, or the group it stands in, there is a comment in words."""
    for block in EXAMPLE.read_text().split("\n\n"):
        if re.search(r"^(# )?[A-Z][A-Z0-9_]+=", block, re.MULTILINE):
            assert re.match(r"# [A-Za-z0-9]", block)
            assert not re.match(r"# [A-Z0-9_]+=", block), block


SPOKEN_OF = ("README.md", "Dockerfile", "fly.toml", ".env.example", "docs/*.md", "bench/*.py", "src/**/*.py")


def test_every_setting_that_is_spoken_of_exists() -> None:
    """What a document or a message tells people to set is a name that the service reads."""
    root = EXAMPLE.parent
    files = [path for pattern in SPOKEN_OF for path in root.glob(pattern)]
    spoken_of = {
        (name, path.name)
        for path in files
        for name in re.findall(r"\bCALLBRIDGE_[A-Z0-9_]*[A-Z0-9]\b", path.read_text())
    }
    assert {"CALLBRIDGE_AGENT", "CALLBRIDGE_DRAIN_SECONDS"} <= {name for name, _ in spoken_of}
    assert [pair for pair in sorted(spoken_of) if pair[0] not in VARIABLES] == []


def test_readme_shows_the_defaults() -> None:
    """Where the table gives values, they are those of the settings, in the order of the names."""
    rows = re.findall(
        r"^\| (`[A-Z].*`) \| .* \| (.*) \|$", (EXAMPLE.parent / "README.md").read_text(), re.MULTILINE
    )
    shown = {
        name: value
        for names, values in rows
        for name, value in zip(
            re.findall(r"\w+", names), values.replace("`", "").lower().split(", "), strict=False
        )
    }
    values = {
        variable(field): str(info.default).lower()
        for field, info in Settings.model_fields.items()
        # Texts are paraphrased, and what has no default is told in words.
        if isinstance(info.default, int | float | str) and " " not in str(info.default)
    }
    told = values.keys() & shown.keys()
    assert len(told) >= 9
    assert {name: shown[name] for name in told} == {name: values[name] for name in told}


def test_callers_with_calls_of_their_own(process: pytest.MonkeyPatch) -> None:
    """In the spelling under which they are counted; one that is named twice has no number at all."""
    name = "CALLBRIDGE_CALLS_PER_CALLER_OF"
    given(process, **{name: "+14155550100=30, SIP:Pbx.Example.com:5060=50,sip:[::1]=0"})
    expected = {"14155550100": 30, "sip:pbx.example.com": 50, "sip:[::1]": 0}
    assert read_settings().calls_per_caller_of == expected
    text = refusal(**{name: "+14155550100=30,14155550100=40"})
    assert "each once" in text
    assert "entry 2 is not" in text


def test_caps_on_spending_have_defaults_and_are_switched_off_in_words() -> None:
    assert (settings().spend_per_hour_max, settings().spend_per_day_max) == (25, 100)
    subject = settings(CALLBRIDGE_SPEND_PER_HOUR_MAX="off", CALLBRIDGE_SPEND_PER_DAY_MAX="")
    assert (subject.spend_per_hour_max, subject.spend_per_day_max) == (None, 100)


def test_nothing_is_remembered_of_callers_unless_it_is_wished() -> None:
    assert settings().caller_memory_days is None
    assert settings(CALLBRIDGE_CALLER_MEMORY_DAYS="off").caller_memory_days is None
    assert settings(CALLBRIDGE_CALLER_MEMORY_DAYS="30").caller_memory_days == 30
