"""The plan of a call: what follows from the session that is asked for."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from callbridge.call.plan import CallPlan
from callbridge.wire.realtime_commands import SemanticVad
from rigs import make_plan


def test_the_greeting_is_an_instruction_for_one_response() -> None:
    """The session's own instructions stay as they are."""
    options = make_plan(greeting="Harbour Bakery, hello!").greeting_options
    assert options is not None
    assert (options.instructions or "").endswith("Say exactly this and nothing else: Harbour Bakery, hello!")


def test_no_greeting_is_no_instruction() -> None:
    """The model greets as the agent's instructions tell it."""
    assert make_plan(greeting="").greeting_options is None


def test_the_plan_knows_who_interrupts() -> None:
    """Where the server does not, we cancel."""
    assert make_plan().server_interrupts
    assert not make_plan(server_interrupts=False).server_interrupts


def test_the_silence_of_turn_detection_is_known_for_the_server_vad_only() -> None:
    """Semantic detection does not say how long it waits."""
    plan = make_plan()
    assert plan.silence_ms == 500
    audio_input = msgspec.structs.replace(plan.session.audio.input, turn_detection=SemanticVad("auto"))
    audio = msgspec.structs.replace(plan.session.audio, input=audio_input)
    semantic = CallPlan(plan.model, msgspec.structs.replace(plan.session, audio=audio))
    assert semantic.silence_ms == 0
    assert semantic.server_interrupts


def test_a_plan_without_transcription_differs_in_that_alone() -> None:
    """The rest of the session is sent again as it was."""
    plan = make_plan()
    without = plan.without_transcription()
    assert plan.has_transcription
    assert not without.has_transcription
    assert without.greeting == plan.greeting
    restored = msgspec.structs.replace(
        without.session.audio.input, transcription=plan.session.audio.input.transcription
    )
    assert restored == plan.session.audio.input


def test_a_silent_session_answers_nobody_and_is_otherwise_the_same() -> None:
    """It is still being told what was said before; who interrupts, and how, is not changed by that."""
    plan = make_plan()
    silent = plan.silent_session
    assert plan.session.audio.input.turn_detection.create_response
    assert not silent.audio.input.turn_detection.create_response
    answering = msgspec.structs.replace(silent.audio.input.turn_detection, create_response=True)
    audio_input = msgspec.structs.replace(silent.audio.input, turn_detection=answering)
    audio = msgspec.structs.replace(silent.audio, input=audio_input)
    assert msgspec.structs.replace(silent, audio=audio) == plan.session


@pytest.mark.parametrize(("bound", "is_too_dear"), [(101, False), (100, True), (99, True), (None, False)])
def test_a_call_is_too_dear_at_its_bound(bound: int | None, is_too_dear: bool) -> None:
    """Without a bound no call is."""
    assert replace(make_plan(), spend_max_microdollars=bound).is_too_dear(100) is is_too_dear
