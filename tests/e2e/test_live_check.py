"""`callbridge check --live`: what the model's vendor says of key, model and voice before a caller does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callbridge import Flow, Step, confidence
from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.server.config.findings import Level
from callbridge.server.config.settings import read_settings
from callbridge.server.errands.live_check import ask_for_all, ask_model
from callbridge.simulators.voice_model import ConnectFault, Oddity, Script, SessionSettings, serve_model
from e2e.commands import run
from e2e.stack import API_KEY, variables
from rest_peer import refused, rest_peer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from callbridge.server.config.findings import Finding

pytestmark = pytest.mark.usefixtures("nothing_left")

NO_MODEL = "ws://127.0.0.1:9/v1/realtime"
"""An address where nobody listens."""

ONE_MODEL = {"CALLBRIDGE_REALTIME_SECOND_MODEL": "off"}


async def asked(
    *faults: ConnectFault,
    keys: Sequence[str] = (API_KEY,),
    refuse_by: Any = "socket",
    answer_s: float = 30,
    changes: Mapping[str, str] | None = None,
    agent: Agent | None = None,
    session: SessionSettings | None = None,
) -> list[Finding]:
    """What is found when a simulated vendor is asked."""
    async with serve_model(Script(connect=faults), keys=keys, refuse_by=refuse_by, settings=session) as model:
        settings = read_settings(
            variables("http://127.0.0.1:8080", model.url) | ONE_MODEL | dict(changes or {})
        )
        found = await ask_model(settings, agent or Agent(), answer_s=answer_s)
    assert all(not journal.responses for journal in model.sessions), "something was to be paid for"
    return found


async def test_good_session_is_told_with_its_time() -> None:
    """Both models are asked, with the session that calls have."""
    found = await asked(changes={"CALLBRIDGE_REALTIME_SECOND_MODEL": "gpt-realtime-2.1-mini"})
    assert [finding.level for finding in found] == [Level.OK, Level.OK]
    for finding, model in zip(found, ("gpt-realtime-2.1", "gpt-realtime-2.1-mini"), strict=True):
        assert finding.what.startswith(
            f"{model} takes the key, the voice marin and the whole session, after "
        )


SAID = {
    "the key": ({"OPENAI_API_KEY": "sk-wrong-key-1234"}, "OPENAI_API_KEY was refused", "api-keys"),
    "the model": (
        {"CALLBRIDGE_REALTIME_MODEL": "gpt-realtime-9"},
        "CALLBRIDGE_REALTIME_MODEL=gpt-realtime-9 is not found",
        "Correct the name",
    ),
    "the voice": (
        {"CALLBRIDGE_REALTIME_VOICE": "nova"},
        "the voice nova was refused by gpt-realtime-2.1: ",
        "CALLBRIDGE_REALTIME_VOICE",
    ),
}


@pytest.mark.parametrize("refuse_by", ["socket", "http"])
@pytest.mark.parametrize("subject", SAID)
async def test_what_is_refused_is_told(subject: str, refuse_by: str) -> None:
    """As the API refuses, on a socket that opens; and as a gateway before it does."""
    changes, what, remedy = SAID[subject]
    (found,) = await asked(refuse_by=refuse_by, changes=changes)
    assert found.level is Level.ERROR
    assert what in found.what
    assert remedy in found.remedy
    assert "sk-wrong" not in found.what


async def test_refused_key_is_not_tried_for_the_second_model() -> None:
    found = await asked(
        keys=["sk-other"], changes={"CALLBRIDGE_REALTIME_SECOND_MODEL": "gpt-realtime-2.1-mini"}
    )
    assert [finding.what for finding in found] == ["OPENAI_API_KEY was refused"]


async def test_second_model_that_is_not_found_keeps_no_call_away() -> None:
    found = await asked(changes={"CALLBRIDGE_REALTIME_SECOND_MODEL": "gpt-realtime-9"})
    assert [finding.level for finding in found] == [Level.OK, Level.WARNING]
    assert "CALLBRIDGE_REALTIME_SECOND_MODEL=gpt-realtime-9 is not found" in found[1].what


async def test_refused_transcription_is_done_without() -> None:
    """As in a call."""
    found = await asked(changes={"CALLBRIDGE_TRANSCRIPTION_MODEL": "hear-9"})
    assert [finding.level for finding in found] == [Level.WARNING, Level.OK]
    assert "refuses the transcription of callers" in found[0].what
    assert "CALLBRIDGE_TRANSCRIPTION_MODEL" in found[0].remedy


async def test_refused_logprobs_are_done_without() -> None:
    """The transcription stays."""
    unsure = confidence("intent", below=0.5, source="transcript", to="end")
    flow = Flow(Step("start", "Ask.", go=[unsure]), Step("end", "Say goodbye.", ends=True))
    found = await asked(agent=Agent(flow=flow), session=SessionSettings(takes_include=False))
    assert [finding.level for finding in found] == [Level.WARNING, Level.OK]
    assert "does not say how sure it is" in found[0].what
    assert "session.include" in found[0].what


@pytest.mark.parametrize(
    ("fault", "level", "words"),
    [
        (
            ConnectFault(kind="close", code=1011, reason="overloaded"),
            Level.ERROR,
            "closed with 1011 overloaded",
        ),
        (ConnectFault(kind="close", code=3000), Level.ERROR, "OPENAI_API_KEY was refused"),
        (ConnectFault(kind="refuse", status=503), Level.ERROR, "HTTP 503"),
        (ConnectFault(kind="refuse", status=429), Level.WARNING, "too much to do"),
        (
            ConnectFault(kind="refuse", status=429, error_code="insufficient_quota"),
            Level.ERROR,
            "takes no calls",
        ),
        (
            ConnectFault(kind="reject", code=4000, error_code="odd", message="\x1b[31mred\n" + "x" * 5000),
            Level.ERROR,
            "gives no session:  [31mred xxx",
        ),
    ],
)
async def test_trouble_of_the_vendor_is_told(fault: ConnectFault, level: Level, words: str) -> None:
    """Bounded, and without what would steer a terminal."""
    (found,) = await asked(fault)
    assert found.level is level
    assert words in found.what
    assert len(found.what) < 500
    assert found.what.isprintable()


async def test_vendor_that_says_nothing_is_not_waited_for() -> None:
    (found,) = await asked(ConnectFault(kind="silent"), answer_s=0.2)
    assert "gives no session: no session within 0.2 s" in found.what


async def test_session_in_another_sound_is_told() -> None:
    """What is not µ-law is loud static on a telephone."""
    odd = Oddity(event="session.updated", set={"session.audio.output.format.type": "audio/pcm"})
    async with serve_model(Script(oddities=(odd,)), keys=[API_KEY]) as model:
        settings = read_settings(variables("http://127.0.0.1:8080", model.url) | ONE_MODEL)
        (found,) = await ask_model(settings, Agent(), answer_s=30)
    assert "it does not speak µ-law" in found.what


async def test_nobody_there() -> None:
    settings = read_settings(variables("http://127.0.0.1:8080", NO_MODEL) | ONE_MODEL)
    (found,) = await ask_model(settings, Agent())
    assert "gives no session" in found.what
    assert "CALLBRIDGE_REALTIME_URL" in found.remedy


async def test_command_asks_only_when_told_to(tmp_path: Path) -> None:
    """Exit status 1 and the vendor's answer with --live; without it nobody is dialled.

    The agent is one's own, and what desktops and other programs set for themselves changes nothing.
    """
    (tmp_path / "bakery.py").write_text("from callbridge import Agent\n\nagent = Agent(greeting='Hello!')\n")
    others = {"LANGUAGE": "en_US:en", "HOST": "x", "AGENT": "y"}
    async with (
        serve_model(Script(), keys=["sk-other"]) as model,
        rest_peer(refused(401, 20003, "Authenticate")) as twilio,
    ):
        given = others | variables(
            "http://127.0.0.1:8080",
            model.url,
            CALLBRIDGE_TWILIO_API_URL=twilio.url,
            CALLBRIDGE_AGENT="bakery:agent",
        )
        live = await run(tmp_path, "check", "--live", variables=given)
        assert (live.status, len(model.sessions)) == (1, 1)
        assert "wrong  OPENAI_API_KEY was refused." in live.stdout
        # Every question was refused: told once.
        assert live.stdout.count("wrong  Twilio refuses TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN") == 1
        asked = len(twilio.asked)
        still = await run(tmp_path, "check", variables=given)
        assert (still.status, len(model.sessions), len(twilio.asked)) == (0, 1, asked)
    for ended in (live, still):
        assert API_KEY not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr


async def test_each_agent_is_asked_for() -> None:
    """A fault says whose it is. A key that is refused is refused for all."""
    roster = Roster({"bakery": Agent(voice="cedar"), "hoarse": Agent(voice="nova")})
    async with serve_model(Script(), keys=(API_KEY,)) as model:
        given = variables("http://127.0.0.1:8080", model.url) | ONE_MODEL
        well, fault = await ask_for_all(read_settings(given), roster)
        (refused,) = await ask_for_all(read_settings(given | {"OPENAI_API_KEY": "sk-wrong-key-1234"}), roster)
    assert well.what.startswith("agent bakery: gpt-realtime-2.1 takes the key, the voice cedar and ")
    assert fault.what.startswith("agent hoarse: the voice nova was refused by gpt-realtime-2.1: ")
    assert refused.what == "OPENAI_API_KEY was refused"
