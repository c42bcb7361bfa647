"""Who plays the caller and the voice model of a call: steps and moves, or text models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.testing.calling import caller_of
from callbridge.testing.persona.heard_words import heard_words
from callbridge.testing.persona.improvising import ImprovisedPrompter
from callbridge.testing.persona.opening import open_text_models, real_model_settings
from callbridge.testing.persona.persona import Improvised, Limits, Persona, RealModel
from callbridge.testing.persona.playing import PersonaCaller
from callbridge.testing.prompting import MovesPrompter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from callbridge.simulators.phone import Caller, SimulatedCall
    from callbridge.simulators.voice_model import Journal
    from callbridge.testing.calling import AudioOf, CallerWords
    from callbridge.testing.moves import ModelMove
    from callbridge.testing.persona.real_words import RealWords
    from callbridge.testing.persona.text_models import TextModels
    from callbridge.testing.steps import CallerStep

    CallerPart: TypeAlias = Sequence[CallerStep] | Persona
    """Who calls: steps, or a part for a text model."""
    ModelPart: TypeAlias = Sequence[ModelMove] | Improvised | RealModel
    """Who is the voice model: moves, a text model, or the real one."""


def text_models_of(caller: CallerPart, model: ModelPart, *, is_live: bool) -> TextModels | None:
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


def real_settings_of(model: ModelPart) -> dict[str, str]:
    """What the service is told of the real voice model; nothing where another one answers.

    Raises:
        TextModelMissing: there is no key.
    """
    return real_model_settings(model) if isinstance(model, RealModel) else {}


def prompter_of(
    model: ModelPart,
    text_models: TextModels | None,
    words: CallerWords,
    voice: Callable[[str], bytes],
) -> MovesPrompter:
    """Who chooses the answers of the simulated voice model."""
    if isinstance(model, RealModel):
        return MovesPrompter((), words, voice)  # Nobody asks it.
    if not isinstance(model, Improvised):
        return MovesPrompter(model, words, voice)
    assert text_models is not None, "an improvised model asks one"
    return ImprovisedPrompter(model, text_models, words, voice)


def who_calls(
    caller: CallerPart,
    text_models: TextModels | None,
    words: CallerWords,
    audio_of: AudioOf,
    is_more_to_come: Callable[[], bool],
    *,
    is_live: bool,
    stays: bool,
) -> Caller:
    """Who calls."""
    if not isinstance(caller, Persona):
        return caller_of(caller, audio_of, words, is_more_to_come=is_more_to_come, stays=stays)
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
    real: RealWords | None = None,
) -> None:
    """Before the call: what text models play needs to know of its other sides.

    Args:
        caller: who calls.
        prompter: of the simulated model.
        phone: by which they call.
        sessions: of the simulated model.
        clock: of both.
        real: what the real model says, where that answers.
    """
    if isinstance(caller, PersonaCaller) and real is not None:
        caller.heard = real.heard
    elif isinstance(caller, PersonaCaller):
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
