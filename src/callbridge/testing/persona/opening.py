"""Whether a text model may be asked at all: with a key, within what a run may spend."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from callbridge.call.price import microdollars
from callbridge.server.config.real_model import real_model_variables
from callbridge.server.config.text_endpoint import NoTextModel, dollars_of_a_run, text_endpoint
from callbridge.testing.persona.missing import TextModelMissing
from callbridge.testing.persona.text_models import Purse, TextModelFault, TextModels

if TYPE_CHECKING:
    from callbridge.testing.persona.persona import RealModel


def open_text_models(dollars: float, what_for: str) -> TextModels:
    """The text model of the settings.

    Args:
        dollars: what this call, or this judgement, may spend on it.
        what_for: where that is set, in words.

    Raises:
        TextModelMissing: there is none; says why, and what to do.
        TextModelFault: its settings cannot be used.
    """
    found = text_endpoint()
    if isinstance(found, NoTextModel) and found.is_mistake:
        raise TextModelFault(found.why)
    if isinstance(found, NoTextModel):
        raise TextModelMissing(found.why)
    return TextModels(found, (Purse(dollars, what_for), _purse_of_the_run(found.dollars)))


@cache
def _purse_of_the_run(dollars: float) -> Purse:
    """All calls of this process draw on it."""
    return Purse(dollars, "the run (CALLBRIDGE_TEST_DOLLARS)")


def real_model_settings(real: RealModel) -> dict[str, str]:
    """What the service is told, so that the real voice model answers, for so much.

    All of `dollars` is taken from what the run may spend: what the call did not need is not given back.

    Raises:
        TextModelMissing: there is no key.
        TextModelFault: the run may not spend so much.
        ValueError: what it may spend cannot be read.
    """
    found = real_model_variables()
    if found is None:
        raise TextModelMissing("the real voice model is not asked: OPENAI_API_KEY is not set")
    _purse_of_the_run(dollars_of_a_run()).take(microdollars(real.dollars))
    named = {"CALLBRIDGE_REALTIME_MODEL": real.model} if real.model else {}
    return {**found, **named, "CALLBRIDGE_SPEND_PER_CALL_MAX": f"{real.dollars:g}"}
