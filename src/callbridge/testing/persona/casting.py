"""Who plays the caller and the voice model of a call: steps and moves, or text models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.testing.calling import caller_of
from callbridge.testing.persona.heard import heard_words
from callbridge.testing.persona.improvising import ImprovisedPrompter
from callbridge.testing.persona.opening import open_text_models
from callbridge.testing.persona.persona import Improvised, Limits, Persona
from callbridge.testing.persona.playing import PersonaCaller
from callbridge.testing.prompting import MovesPrompter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.simulators.phone import Caller, SimulatedCall
    from callbridge.simulators.voice_model import Journal
    from callbridge.testing.calling import AudioOf, CallerWords
    from callbridge.testing.moves import ModelMove
    from callbridge.testing.persona.text_models import TextModels
    from callbridge.testing.steps import CallerStep


def text_models_of(
    caller: Sequence[CallerStep] | Persona, model: Sequence[ModelMove] | Improvised, *, is_live: bool
) -> TextModels | None:
    """Those that a call needs; None for a call that needs none.

    Args:
        caller: who calls.
        model: the moves of the voice model, or who makes them up.
        is_live: time goes by while a text model thinks: over real sockets.

    Raises:
        TextModelMissing: it needs one, and there is none to be asked.
        ValueError: an improvised voice model over real sockets.
    """
    if is_live and isinstance(model, Improvised):
        raise ValueError("Improvised() thinks while the clock stands still: play it without real_sockets")
    if not isinstance(caller, Persona) and not isinstance(model, Improvised):
        return None
    limits = caller.limits if isinstance(caller, Persona) else Limits()
    return open_text_models(limits.dollars, "the call (Limits(dollars=…))")


def prompter_of(
    model: Sequence[ModelMove] | Improvised,
    text_models: TextModels | None,
    words: CallerWords,
    voice: Callable[[str], bytes],
) -> MovesPrompter:
    """Who chooses the answers of the simulated voice model."""
    if not isinstance(model, Improvised):
        return MovesPrompter(model, words, voice)
    assert text_models is not None, "an improvised model asks one"
    return ImprovisedPrompter(model, text_models, words, voice)


def who_calls(
    caller: Sequence[CallerStep] | Persona,
    text_models: TextModels | None,
    words: CallerWords,
    audio_of: AudioOf,
    is_more_to_come: Callable[[], bool],
    *,
    is_live: bool,
) -> Caller:
    """Who calls."""
    if not isinstance(caller, Persona):
        return caller_of(caller, audio_of, words, is_more_to_come=is_more_to_come)
    assert text_models is not None, "a persona asks one"

    def spoken(text: str) -> bytes:
        return audio_of(text, "")

    return PersonaCaller(
        caller,
        text_models,
        audio_of=spoken,
        words=words,
        is_more_to_come=is_more_to_come,
        is_live=is_live,
    )


def introduce(
    caller: Caller,
    prompter: MovesPrompter,
    phone: SimulatedCall,
    sessions: Sequence[Journal],
    clock: Callable[[], float],
) -> None:
    """Before the call: what text models play needs to know of its other sides."""
    if isinstance(caller, PersonaCaller):
        clips = phone.settings.stream.clips
        caller.heard = lambda: heard_words(phone.streams, sessions, clock(), clips)
    if isinstance(prompter, ImprovisedPrompter):
        prompter.sessions = sessions
    prompter.on_fault = phone.hang_up


def goal_of(caller: Caller) -> str:
    """After the call: what a persona says of its goal; empty for a caller who has none."""
    if not isinstance(caller, PersonaCaller):
        return ""
    caller.close()
    return caller.goal
