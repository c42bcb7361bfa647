"""A run is never green without the agent: whatever would make it so is found."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import callbridge
from callbridge.bridge.relay import Relay
from callbridge.simulators.phone import PhoneStream
from callbridge.testing import (
    Calls,
    Drops,
    Fails,
    HangUp,
    Interrupt,
    Pause,
    Raises,
    Returns,
    Say,
    Says,
    Silent,
    ToolNotOfferedError,
    complaints,
)

if TYPE_CHECKING:
    from callbridge.testing import CallerStep, Line, ModelMove, PlayedCall


def bakery() -> callbridge.Agent:
    """An agent with one tool."""
    agent = callbridge.Agent(instructions="You answer for a bakery.", greeting="Hello!")

    @agent.tool
    async def opening_hours(day: str) -> str:
        """When the shop is open."""
        return f"{day}: 8 to 14"

    return agent


def kinds(call: PlayedCall) -> list[str]:
    """Of its complaints."""
    return [complaint.kind for complaint in call.complaints]


def play(line: Line, caller: list[CallerStep], model: list[ModelMove], **more: Any) -> list[str]:
    """What is complained of in such a call."""
    return kinds(line.play(bakery(), caller=caller, model=model, **more))


def test_a_tool_that_is_not_offered_ends_the_test(line: Line) -> None:
    with pytest.raises(
        ToolNotOfferedError, match=r"(?s)was to call opening.*: end_call, opening_hours"
    ) as told:
        play(line, ["When?"], [Calls("opening", day="Sunday"), "Never said."])
    assert "caller    When?" in str(told.value)  # The timeline says where.
    assert line.calls[0].phone.duration_ms < 5000


@pytest.mark.heavy
def test_what_the_moves_leave_open_is_found(line: Line) -> None:
    assert play(line, ["When?"], ["At eight.", "At nine."]) == ["moves_left"]
    assert play(line, ["When?", "Where?"], ["At eight."]) == ["unscripted"]


@pytest.mark.heavy
def test_arguments_that_the_tool_does_not_take_are_found(line: Line) -> None:
    moves: list[ModelMove] = [Calls("opening_hours", dya="Sunday"), "At eight."]
    assert play(line, ["When?"], moves) == ["arguments_refused"]


@pytest.mark.heavy
def test_a_tool_that_fails_is_found_once(line: Line) -> None:
    call = line.play(
        bakery(),
        caller=["When?"],
        model=[Calls("opening_hours", day="Sunday"), "I cannot look it up."],
        tools={"opening_hours": Raises(KeyError("Sunday"))},
    )
    (complaint,) = call.complaints
    assert complaint.kind == "tool_failed"
    assert complaint.text.startswith("opening_hours failed (KeyError): ")
    assert complaint.at_ms is not None


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("found", "caller", "model", "more"),
    [
        pytest.param(
            ["tool_failed"],
            ["When?"],
            [Calls("opening_hours", day="Sunday"), "I cannot look it up."],
            {
                "settings": {"CALLBRIDGE_TOOL_SECONDS": "5"},
                "tools": {"opening_hours": Returns("8", after_s=9)},
            },
            id="a tool takes longer than it may",
        ),
        pytest.param(
            ["caller"],
            [Say("When?"), Interrupt(after_ms=5000, say="Stop!")],
            ["At eight."],
            {},
            id="nothing to interrupt",
        ),
        pytest.param(
            ["caller"],
            ["Goodbye.", "Wait!"],
            [Says("Goodbye.", then=Calls("end_call"))],
            {},
            id="the call was over before the caller had said all",
        ),
        pytest.param(["log"], ["When?"], [Fails(), "At eight."], {}, id="the model fails"),
        pytest.param(["log"], ["When?"], [Drops(), "At eight."], {}, id="the session is lost"),
        pytest.param(
            ["never_answered", "caller", "log"],
            ["When?"],
            [],
            {"settings": {"CALLBRIDGE_REALTIME_URL": "ws://127.0.0.1:9/v1/realtime"}},
            id="there is no model",
        ),
        pytest.param(
            ["not_ended"], ["When?", Pause(60_000)], ["At eight."], {"max_call_s": 10}, id="nobody hangs up"
        ),
    ],
)
def test_it_is_found(
    line: Line, found: list[str], caller: list[CallerStep], model: list[ModelMove], more: dict[str, Any]
) -> None:
    assert set(found) <= set(play(line, caller, model, **more))


@pytest.mark.heavy
def test_what_the_carrier_minds_is_found(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = PhoneStream.open

    def odd(stream: PhoneStream, now: float) -> Any:
        found = opened(stream, now)
        stream.receive('{"event": "nonsense"}', now)
        return found

    monkeypatch.setattr(PhoneStream, "open", odd)
    assert play(line, ["When?"], ["At eight."]) == ["carrier"]


@pytest.mark.heavy
def test_what_the_model_refuses_is_found(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    appended, has_said = Relay._append, False

    def odd(relay: Relay, *frame: Any) -> Any:
        nonlocal has_said
        if not has_said:
            has_said = True
            assert relay.send_to_model is not None
            relay.send_to_model(b'{"type": "nonsense"}')
        return appended(relay, *frame)

    monkeypatch.setattr(Relay, "_append", odd)
    assert {*play(line, ["When?"], ["At eight."])} >= {"model_refusal"}


@pytest.mark.heavy
def test_audio_that_is_changed_or_lost_is_found(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge that swallows some of the caller, and one that changes the voice of the agent."""
    appended, count = Relay._append, 0

    def forgetful(relay: Relay, *frame: Any) -> Any:
        nonlocal count
        count += 1
        return None if count % 7 == 0 else appended(relay, *frame)

    monkeypatch.setattr(Relay, "_append", forgetful)
    assert play(line, ["When?"], ["At eight."]) == ["audio_lost"]
    monkeypatch.undo()
    received = PhoneStream.receive

    def other(stream: PhoneStream, message: str | bytes, now: float) -> Any:
        told = msgspec.json.decode(message)
        if told["event"] == "media":
            audio = base64.b64decode(told["media"]["payload"]).translate(bytes([*range(1, 256), 0]))
            told["media"]["payload"] = base64.b64encode(audio).decode()
            message = msgspec.json.encode(told).decode()
        return received(stream, message, now)

    monkeypatch.setattr(PhoneStream, "receive", other)
    assert play(line, ["When?"], ["At eight."]) == ["audio_changed"]


@pytest.mark.heavy
def test_a_long_silence_is_found(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service keeps its promise: it is made a stricter one."""
    moves: list[ModelMove] = [Calls("opening_hours", day="?"), "At eight."]
    slow = {"opening_hours": Returns("8", after_s=6)}
    assert play(line, ["When?"], moves, tools=slow) == []
    monkeypatch.setattr(complaints, "SILENCE_MS_MAX", 2000)
    assert {*play(line, ["When?"], moves, tools=slow)} == {"silence"}


@pytest.mark.heavy
def test_what_is_meant_to_be_is_no_complaint(line: Line) -> None:
    assert play(line, [HangUp()], []) == []
    assert {*play(line, ["When?"], [Silent(), "At eight."])} == {"log"}


@pytest.mark.heavy
async def test_a_future_that_fails_unseen_is_found(line: Line) -> None:
    agent = callbridge.Agent(greeting="Hello!")

    @agent.tool
    async def forget() -> str:
        """Starts something that nobody looks after."""
        asyncio.get_running_loop().create_future().set_exception(RuntimeError("unseen"))
        return "done"

    call = await line.call(agent, caller=["Go!"], model=[Calls("forget"), "Done."])
    (complaint,) = call.complaints
    assert complaint.kind == "log"
    assert "unseen" in complaint.text
