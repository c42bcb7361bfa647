"""The table of models: names, snapshots and the rules that its rows keep."""

from __future__ import annotations

import pytest

from callbridge.server.config.models import (
    TRANSCRIPTION_MODELS,
    VOICE_MODELS,
    transcription_model,
    voice_model,
)
from callbridge.server.config.settings import Settings


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
    found = voice_model(name)
    assert found is not None
    assert found.name == family


def test_unknown_names_are_nothing() -> None:
    assert voice_model("gpt-realtime-3") is None
    assert voice_model("gpt-realtime-2.1-mega") is None
    assert transcription_model("gpt-transcribe-2") is None
    snapshot = transcription_model("gpt-4o-mini-transcribe-2025-12-15")
    assert snapshot is not None
    assert snapshot.shutdown is not None


def test_whoever_must_move_is_told_where_to() -> None:
    """A model that ends or does not fit names a successor that neither ends nor is unfit."""
    for models, find in ((VOICE_MODELS, voice_model), (TRANSCRIPTION_MODELS, transcription_model)):
        for model in models:
            if model.shutdown or model.unfit:
                heir = find(model.successor or "")
                assert heir is not None
                assert (heir.shutdown, heir.unfit) == (None, None)


def test_default_models_are_current() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    for found in (
        voice_model(defaults["realtime_model"]),
        voice_model(defaults["realtime_second_model"]),
        transcription_model(defaults["transcription_model"]),
    ):
        assert found is not None
        assert (found.shutdown, found.unfit) == (None, None)
