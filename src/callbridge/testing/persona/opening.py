"""Whether a text model may be asked at all: with a key, within what a run may spend."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from callbridge.server.config.real_model import real_model_variables
from callbridge.server.config.text_endpoint import NoTextModel, text_endpoint
from callbridge.testing.persona.missing import TextModelMissing
from callbridge.testing.persona.text_models import Purse, TextModels

if TYPE_CHECKING:
    from callbridge.testing.persona.persona import RealModel


def open_text_models(dollars: float, what_for: str) -> TextModels:
    """The text model of the settings.

    Args:
        dollars: what this call, or this judgement, may spend on it.
        what_for: where that is set, in words.

    Raises:
        TextModelMissing: there is none; says why, and what to do.
    """
    found = text_endpoint()
    if isinstance(found, NoTextModel):
        raise TextModelMissing(found.why)
    return TextModels(found, (Purse(dollars, what_for), _purse_of_the_run(found.dollars)))


@cache
def _purse_of_the_run(dollars: float) -> Purse:
    """All calls of this process draw on it."""
    return Purse(dollars, "the run (CALLBRIDGE_TEST_DOLLARS)")


def real_model_settings(real: RealModel) -> dict[str, str]:
    """What the service is told, so that the real voice model answers, for so much.

    Raises:
        TextModelMissing: there is no key.
    """
    found = real_model_variables()
    if found is None:
        raise TextModelMissing("the real voice model is not asked: OPENAI_API_KEY is not set")
    named = {"CALLBRIDGE_REALTIME_MODEL": real.model} if real.model else {}
    return {**found, **named, "CALLBRIDGE_SPEND_PER_CALL_MAX": f"{real.dollars:g}"}
