"""The price list: complete for the models that answer calls, dated, and the vendor's figures."""

from __future__ import annotations

import pytest

from callbridge.call.facts import Usage
from callbridge.server.config.models import VOICE_MODELS
from callbridge.server.config.prices import PRICES, price_of

MILLION = 1_000_000


@pytest.mark.parametrize("name", [model.name for model in VOICE_MODELS if model.unfit is None])
def test_every_model_that_answers_calls_has_a_price(name: str) -> None:
    """A spend cap holds for each of them."""
    assert price_of(name) is not None


def test_every_price_is_of_a_model_that_is_known() -> None:
    assert set(PRICES) <= {model.name for model in VOICE_MODELS}


def test_snapshot_costs_what_its_model_does() -> None:
    assert price_of("gpt-realtime-2025-08-28") == price_of("gpt-realtime")


@pytest.mark.parametrize("name", ["gpt-realtime-9", "gpt-live-1", ""])
def test_other_models_have_none(name: str) -> None:
    """Nothing is guessed; a model that is paid by the minute has no price per token."""
    assert price_of(name) is None


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        ("gpt-realtime-2.1", Usage(input_tokens=MILLION), 4.00),
        ("gpt-realtime-2.1", Usage(input_tokens=MILLION, cached_tokens=MILLION), 0.40),
        ("gpt-realtime-2.1", Usage(output_tokens=MILLION), 24.00),
        ("gpt-realtime-2.1", Usage(input_tokens=MILLION, input_audio_tokens=MILLION), 32.00),
        ("gpt-realtime-2.1", Usage(output_tokens=MILLION, output_audio_tokens=MILLION), 64.00),
        ("gpt-realtime-1.5", Usage(output_tokens=MILLION), 16.00),
        ("gpt-realtime-2.1-mini", Usage(input_tokens=MILLION), 0.60),
        ("gpt-realtime-2.1-mini", Usage(MILLION, 0, input_audio_tokens=MILLION, cached_tokens=MILLION), 0.30),
        # The vendor's example of a minute: 600 tokens heard, 1,200 spoken.
        ("gpt-realtime-2.1", Usage(input_tokens=600, input_audio_tokens=600), 0.0192),
        ("gpt-realtime-2.1", Usage(output_tokens=1_200, output_audio_tokens=1_200), 0.0768),
        ("gpt-realtime-2.1-mini", Usage(output_tokens=1_200, output_audio_tokens=1_200), 0.024),
    ],
)
def test_costs_are_the_vendors(model: str, usage: Usage, dollars: float) -> None:
    price = price_of(model)
    assert price is not None
    assert price.cost_microdollars(usage) == round(dollars * MILLION)
