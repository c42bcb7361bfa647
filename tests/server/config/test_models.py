"""The tables of models and prices: names, snapshots, the rules of their rows, and the vendor's figures."""

from __future__ import annotations

import pytest

from callbridge.call.usage import Usage
from callbridge.server.config import models as table
from callbridge.server.config.prices import read_prices
from callbridge.server.config.settings import Settings

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-realtime", "gpt-realtime"),
        ("gpt-realtime-2025-08-28", "gpt-realtime"),
        ("gpt-realtime-mini-2025-12-15", "gpt-realtime-mini"),
        ("gpt-realtime-2.1-mini", "gpt-realtime-2.1-mini"),
        ("gpt-4o-realtime-preview-2024-12-17", "gpt-4o-realtime-preview"),
    ],
)
def test_snapshot_is_known_by_its_family(name: str, family: str) -> None:
    """A dated name shares the facts, and the end, of the model that it is one of."""
    found = table.voice_model(name)
    assert found is not None
    assert found.name == family


def test_unknown_names_are_nothing() -> None:
    assert table.voice_model("gpt-realtime-3") is None
    assert table.voice_model("gpt-realtime-2.1-mega") is None
    assert table.transcription_model("gpt-transcribe-2") is None
    snapshot = table.transcription_model("gpt-4o-mini-transcribe-2025-12-15")
    assert snapshot is not None
    assert snapshot.shutdown is not None


def test_whoever_must_move_is_told_where_to() -> None:
    """A model that ends or does not fit names a successor that neither ends nor is unfit."""
    for models, find in (
        (table.VOICE_MODELS, table.voice_model),
        (table.TRANSCRIPTION_MODELS, table.transcription_model),
    ):
        for model in models:
            if model.shutdown or model.unfit:
                heir = find(model.successor or "")
                assert heir is not None
                assert (heir.shutdown, heir.unfit) == (None, None)


def test_default_models_are_current() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    for found in (
        table.voice_model(defaults["realtime_model"]),
        table.voice_model(defaults["realtime_second_model"]),
        table.transcription_model(defaults["transcription_model"]),
    ):
        assert found is not None
        assert (found.shutdown, found.unfit) == (None, None)


@pytest.mark.parametrize("name", [model.name for model in table.VOICE_MODELS if model.unfit is None])
def test_every_model_that_answers_calls_has_a_price(name: str) -> None:
    """A spend cap holds for each of them."""
    assert read_prices().list.model(name) is not None


def test_every_price_is_of_a_model_that_is_known() -> None:
    assert set(read_prices().list.models) <= {model.name for model in table.VOICE_MODELS}


def test_snapshot_costs_what_its_model_does() -> None:
    assert read_prices().list.model("gpt-realtime-2025-08-28") == read_prices().list.model("gpt-realtime")


@pytest.mark.parametrize("name", ["gpt-realtime-9", "gpt-live-1", ""])
def test_other_models_have_none(name: str) -> None:
    """Nothing is guessed; a model that is paid by the minute has no price per token."""
    assert read_prices().list.model(name) is None


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
    price = read_prices().list.model(model)
    assert price is not None
    assert price.cost_microdollars(usage) == round(dollars * MILLION)
